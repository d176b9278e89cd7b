// Facts that come later, laid over the statuses; and the statuses of objects with a generation.
import { describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Condition } from '../../controller-glue/condition.ts';
import { load } from '../../controller-glue/load.ts';
import { withRejections } from '../../controller-glue/status.ts';
import type { ObjectStatus } from '../../controller-glue/status.ts';
import { translate } from '../../controller-glue/translate.ts';

const text = readFileSync(join(import.meta.dirname, '../golden/claims-decide-on-one-route-and-not-on-its-neighbour/in.yaml'), 'utf8').replace(/^(kind: \w+\nmetadata:\n)/gm, '$1  generation: 7\n');
const { statuses } = translate(load([{ path: 'a.yaml', text }]).resources);
const conditionsOf = ({ status }: ObjectStatus): Condition[] => [...(status.conditions ?? []), ...(status.listeners ?? []).flatMap(({ conditions }) => conditions), ...(status.parents ?? []).flatMap(({ conditions }) => conditions), ...(status.ancestors ?? []).flatMap(({ conditions }) => conditions)];
const find = (all: readonly ObjectStatus[], kind: string, name: string) => {
  const found = all.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) throw new Error(`${kind} ${name}`);
  return conditionsOf(found).map(({ type, status, reason, message }) => `${type}=${status} ${reason} ${message}`);
};

test('every condition says which generation it is about', () => {
  expect(statuses.flatMap(conditionsOf).map(({ observedGeneration }) => observedGeneration)).toEqual(statuses.flatMap(conditionsOf).map(() => 7));
});

describe('Envoy refused', () => {
  const refused = (group: string, kind: string, name: string) => withRejections(statuses, [{ object: { group, kind, namespace: 'default', name }, message: 'no such thing' }]);

  test('a policy', () => {
    const after = refused('gateway.envoyproxy.io', 'SecurityPolicy', 'jwt-claim-authz');
    expect(find(after, 'SecurityPolicy', 'jwt-claim-authz')).toEqual(['Accepted=False Invalid Envoy refused it: no such thing']);
    expect(find(after, 'HTTPRoute', 'foo')).toEqual(find(statuses, 'HTTPRoute', 'foo'));
  });
  test('a route', () => expect(find(refused('gateway.networking.k8s.io', 'HTTPRoute', 'foo'), 'HTTPRoute', 'foo')).toContain('Accepted=False Invalid Envoy refused it: no such thing'));
  test('a Gateway', () => expect(find(refused('gateway.networking.k8s.io', 'Gateway', 'eg'), 'Gateway', 'eg')).toEqual(expect.arrayContaining(['Programmed=False Invalid Envoy refused it: no such thing', 'Accepted=True Accepted The Gateway has been scheduled by Gatewright'])));
  test('an object of another namespace is nobody\'s', () => expect(withRejections(statuses, [{ object: { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'other', name: 'eg' }, message: 'x' }])).toEqual(statuses));
});
