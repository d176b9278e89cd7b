// What a policy is for is said in one way: Envoy Gateway's CRD takes targetRef or targetRefs, both only beside targetSelectors.
import { expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const ref = (name: string): object => ({ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name });
const selector = { kind: 'HTTPRoute', matchLabels: { a: 'b' } };

test.each<[string, object, boolean]>([
  ['targetRef', { targetRef: ref('one') }, true],
  ['targetRefs', { targetRefs: [ref('one')] }, true],
  ['both', { targetRef: ref('one'), targetRefs: [ref('two')] }, false],
  ['both, and no selectors', { targetRef: ref('one'), targetRefs: [ref('two')], targetSelectors: [] }, false],
  ['both, and selectors', { targetRef: ref('one'), targetRefs: [ref('two')], targetSelectors: [selector] }, true],
])('%s', (_, targets, taken) => {
  const policy = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'BackendTrafficPolicy', metadata: { name: 'one' }, spec: { ...targets, circuitBreaker: {} } };
  const loaded = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway(), service(), httpRoute('one'), httpRoute('two'), policy) }]);
  expect(loaded.problems.map(({ path, message }) => `${path}: ${message}`)).toEqual(taken ? [] : ['spec.targetRef: must not be given beside targetRefs']);
  // What a policy is for cannot be guessed: the file is refused.
  expect(loaded.fatal).toBe(!taken);
});
