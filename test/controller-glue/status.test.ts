// The statuses of objects with a generation.
import { expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Condition } from '../../controller-glue/condition.ts';
import { load } from '../../controller-glue/load.ts';
import type { ObjectStatus } from '../../controller-glue/status.ts';
import { translate } from '../../controller-glue/translate.ts';

const text = readFileSync(join(import.meta.dirname, '../golden/claims-decide-on-one-route-and-not-on-its-neighbour/in.yaml'), 'utf8').replace(/^(kind: \w+\nmetadata:\n)/gm, '$1  generation: 7\n');
const { statuses } = translate(load([{ path: 'a.yaml', text }]).resources);
const conditionsOf = ({ status }: ObjectStatus): Condition[] => [...(status.conditions ?? []), ...(status.listeners ?? []).flatMap(({ conditions }) => conditions), ...(status.parents ?? []).flatMap(({ conditions }) => conditions), ...(status.ancestors ?? []).flatMap(({ conditions }) => conditions)];
test('every condition says which generation it is about', () => {
  expect(statuses.flatMap(conditionsOf).map(({ observedGeneration }) => observedGeneration)).toEqual(statuses.flatMap(conditionsOf).map(() => 7));
});
