// Where a fault holds requests up, the request timeout is put on the whole stream. That ends WebSockets and slow uploads too, which the timeout alone lets be:
// so a fault that holds nothing up must change nothing.
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { routeTableJson } from '../../controller-glue/xds/routes.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const targetRefs = [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'one' }];
const policy = (apiVersion: string, kind: string, spec: object): object => ({ apiVersion: `${apiVersion}/v1alpha1`, kind, metadata: { name: 'one' }, spec: { targetRefs, ...spec } });

/** The longest that a stream of the route may last, with a request timeout of 1 s. */
function longest(traffic: object, faults: readonly object[]): string | undefined {
  const objects = [policy('gateway.envoyproxy.io', 'BackendTrafficPolicy', { timeout: { http: { requestTimeout: '1s' } }, ...traffic }), ...(faults.length === 0 ? [] : [policy('gatewright.dev', 'FaultPolicy', { faults })])];
  const { resources, problems } = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway(), service(), httpRoute('one'), ...objects) }]);
  expect(problems).toEqual([]);
  const [table] = translate(resources).ir.gateways[0]?.routeTables ?? [];
  const [route] = (table === undefined ? [] : routeTableJson(table).virtualHosts ?? []).flatMap(({ routes = [] }) => routes);
  expect(route?.route?.timeout).toBe('1s');
  return route?.route?.maxStreamDuration?.maxStreamDuration;
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
  ])('%s', (_, traffic, faults) => expect(longest(traffic, faults)).toBe('1s'));
});
describe('streams are left alone by', () => {
  test.each<[string, object, object[]]>([
    ['no fault', {}, []],
    ['an abort', { faultInjection: { abort: { httpStatus: 503 } } }, []],
    ['a delay turned down to nothing', { faultInjection: { delay: { fixedDelay: '5s', percentage: 0 } } }, []],
    ['a dry run', {}, [{ ...held, dryRun: true }, { response: { delay: { fixedDelay: '5s' } }, dryRun: true }]],
    ['an answer\'s delay turned down to nothing', {}, [{ response: { delay: { fixedDelay: '5s', percentage: 0 } } }]],
  ])('%s', (_, traffic, faults) => expect(longest(traffic, faults)).toBeUndefined());
});
