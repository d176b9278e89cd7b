// Every virtual host carries the policies of its routes. One that the filter would refuse as too large did nothing, and nobody was told; a few large ones made
// a route table that no message holds.
import { expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'one' }];
const own = (kind: string, spec: object): object => ({ apiVersion: 'gatewright.dev/v1alpha1', kind, metadata: { name: 'one' }, spec: { targetRefs, ...spec } });
function problems(policy: object | string): string[] {
  const text = documents(gatewayClass, gateway(), service(), httpRoute('one'), ...(typeof policy === 'string' ? [] : [policy])) + (typeof policy === 'string' ? `\n---\n${policy}` : '');
  const loaded = load([{ path: 'a.yaml', text }]);
  expect(loaded.problems).toEqual([]);
  const { ir, problems: found } = translate(loaded.resources);
  expect(ir.gateways[0]?.routeTables[0]?.virtualHosts.flatMap(({ routes }) => routes.map(({ action }) => action.kind))).toEqual([found.length === 0 ? 'forward' : 'respond']);
  return found.map(({ path, message }) => `${path}: ${message.split(':')[0]}`);
}
const body = 'x'.repeat(65_536);
const values = Array.from({ length: 128 }, (_, i) => `${i}`.padEnd(100, 'x'));

test('the largest body is fine', () => expect(problems(own('FaultPolicy', { faults: [{ abort: { httpStatus: 503, body } }] }))).toEqual([]));
test('three are not', () => {
  expect(problems(own('FaultPolicy', { faults: Array.from({ length: 3 }, () => ({ abort: { httpStatus: 503, body } })) }))).toEqual(['spec.faults: is 193 KiB as JSON, and may have 128']);
});
test('aliases and escapes count as what they stand for', () => {
  const faults = `  - &f {abort: {httpStatus: 503, body: "${'\\a'.repeat(20_000)}"}}\n  - *f\n`;
  expect(problems(`apiVersion: gatewright.dev/v1alpha1\nkind: FaultPolicy\nmetadata: {name: one}\nspec:\n  targetRefs: ${JSON.stringify(targetRefs)}\n  faults:\n${faults}`)).toEqual(['spec.faults: is 235 KiB as JSON, and may have 128']);
});
test('lists of limits too', () => {
  const limits = Array.from({ length: 16 }, (_, i) => ({ name: `l${i}`, value: 1, claims: [{ name: 'sub', values }] }));
  expect(problems(own('ConcurrencyPolicy', { limits }))).toEqual(['spec.limits: is 208 KiB as JSON, and may have 128']);
});
