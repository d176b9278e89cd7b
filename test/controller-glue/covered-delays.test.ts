// The route's own timeout starts after a fault's delay, so the filter keeps to it too: with a fault that holds requests up, and no other.
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'one' }];
const policy = (apiVersion: string, kind: string, spec: object): object => ({ apiVersion: `${apiVersion}/v1alpha1`, kind, metadata: { name: 'one' }, spec: { targetRefs, ...spec } });

/** What the filter is told, with a request timeout of 90 s. */
function told(traffic: object, faults: readonly object[]): string | undefined {
  const objects = [policy('gateway.envoyproxy.io', 'BackendTrafficPolicy', { timeout: { http: { requestTimeout: '90s' } }, ...traffic }), ...(faults.length === 0 ? [] : [policy('gatewright.dev', 'FaultPolicy', { faults })])];
  const { resources, problems } = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway(), service(), httpRoute('one'), ...objects) }]);
  expect(problems).toEqual([]);
  const [route] = translate(resources).ir.gateways.flatMap(({ routeTables }) => routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)));
  expect(route?.action).toMatchObject({ kind: 'forward', timeoutMs: 90_000 });
  return route?.fault?.policy.requestTimeout;
}

const held = { delay: { fixedDelay: '5s' } };
describe('the timeout covers', () => {
  test.each<[string, object, object[]]>([
    ['a delay of Envoy Gateway\'s', { faultInjection: held }, []],
    ['the least one', { faultInjection: { delay: { fixedDelay: '5s', percentage: 0.0001 } } }, []],
    ['a delay of ours', {}, [held]],
    ['one among others', {}, [{ abort: { httpStatus: 503, percentage: 1 } }, { ...held, dryRun: true }, held]],
    ['one of the answer', {}, [{ response: { delay: { fixedDelay: '5s' } } }]],
    ['one that the request asks for', {}, [{ delay: { headerDelay: {} } }]],
  ])('%s', (_, traffic, faults) => expect(told(traffic, faults)).toBe('1m30s'));
});
describe('it is none of the business of', () => {
  test.each<[string, object, object[]]>([
    ['no fault', {}, []],
    ['an abort', { faultInjection: { abort: { httpStatus: 503 } } }, []],
    ['a delay turned down to nothing', { faultInjection: { delay: { fixedDelay: '5s', percentage: 0 } } }, []],
    ['a dry run', {}, [{ ...held, dryRun: true }, { response: { delay: { fixedDelay: '5s' } }, dryRun: true }]],
    ['an answer\'s delay turned down to nothing', {}, [{ response: { delay: { fixedDelay: '5s', percentage: 0 } } }]],
  ])('%s', (_, traffic, faults) => expect(told(traffic, faults)).toBeUndefined());
});
