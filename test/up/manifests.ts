// YAML of the tests, made from data. JSON is YAML: what a test writes as an object is read as a document.
import { policies } from '../cases/jwt.ts';

export const documents = (...objects: readonly unknown[]): string => objects.map((object) => JSON.stringify(object, null, 2)).join('\n---\n');

export const gatewayClass = { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'GatewayClass', metadata: { name: 'eg' }, spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' } };
export const gateway = (listeners: readonly unknown[] = [{ name: 'http', protocol: 'HTTP', port: 80 }], name = 'eg'): object =>
  ({ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'Gateway', metadata: { name }, spec: { gatewayClassName: 'eg', listeners } });
export const service = (name = 'backend'): object => ({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ name: 'http', port: 3000 }] } });
/** A Service whose one endpoint is a server of the test. */
export const endpoint = (port: number, name = 'backend'): object[] => [
  service(name),
  {
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } }, addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'] }], ports: [{ name: 'http', port }],
  },
];
export const httpRoute = (name: string, matches: readonly unknown[] = [{ path: { type: 'PathPrefix', value: `/${name}` } }], { backend = 'backend', hostnames = ['www.example.com'], ...spec }: { backend?: string; hostnames?: readonly string[]; [field: string]: unknown } = {}): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name },
  spec: { parentRefs: [{ name: 'eg' }], hostnames, rules: [{ matches, backendRefs: [{ name: backend, port: 3000 }] }], ...spec },
});
export const securityPolicy = (name: string, spec: object, target: object = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name }): object =>
  ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'SecurityPolicy', metadata: { name }, spec: { targetRefs: [target], ...spec } });

/** Class, Gateway, Service: what every test stands on. */
export const base = documents(gatewayClass, gateway(), service());
/** A route and its policy for every policy of the case table. */
export const table = documents(...Object.entries(policies).flatMap(([name, spec]) => [httpRoute(name), securityPolicy(name, spec)]));
