// Whatever is done to a policy that limits connections, or to the authorities it names: the listener is limited, or answers 500, or the file is refused. It is never open.
import { describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import type { IrChain, IrAuthority, IrRoute } from '../../controller-glue/ir.ts';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { paths, replaced } from './mutations.ts';

const { certificate, key } = issueCertificate('www.example.com', { names: ['www.example.com'], authority: true });
const target = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', sectionName: 'https' };
const object = (apiVersion: string, kind: string, name: string, body: object): object => ({ apiVersion, kind, metadata: { name }, ...body });
const rest = [
  object('gateway.networking.k8s.io/v1', 'GatewayClass', 'eg', { spec: { controllerName: 'gateway.envoyproxy.io/gatewayclass-controller' } }),
  object('gateway.networking.k8s.io/v1', 'Gateway', 'eg', { spec: { gatewayClassName: 'eg', listeners: [{ name: 'https', protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'tls' }] } }] } }),
  object('v1', 'Secret', 'tls', { type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } }),
  object('v1', 'Service', 'backend', { spec: { ports: [{ port: 3000 }] } }),
  object('gateway.networking.k8s.io/v1', 'HTTPRoute', 'all', { spec: { parentRefs: [{ name: 'eg' }], rules: [{ backendRefs: [{ name: 'backend', port: 3000 }] }] } }),
];
const documents = {
  ClientTrafficPolicy: object('gateway.envoyproxy.io/v1alpha1', 'ClientTrafficPolicy', 'egs', { spec: {
    targetRefs: [target],
    connection: { connectionLimit: { value: 1, closeDelay: '1s', maxConnectionDuration: '1h', maxRequestsPerConnection: 9, maxStreamDuration: '1h' }, bufferLimit: '32Ki', maxAcceptPerSocketEvent: 1 },
    tls: { clientValidation: { optional: false, caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'authorities', namespace: 'default' }] } },
  } }),
  ConnectionLimitPolicy: object('gatewright.dev/v1alpha1', 'ConnectionLimitPolicy', 'ours', { spec: {
    targetRefs: [target], limits: [{ name: 'each', per: 'SourceIP', value: 1, rate: { connections: 1, per: '1s', burst: 1 }, closeDelay: '1s', sources: ['10.0.0.0/8'], allow: ['10.1.0.0/16'], dryRun: false }],
  } }),
  ConfigMap: object('v1', 'ConfigMap', 'authorities', { data: { 'ca.crt': certificate } }),
} as const;
type Kind = keyof typeof documents;
const VALUES: readonly unknown[] = [null, undefined, 7, 0, -1, true, '', 'x', '0s', '2 parsecs', '*', [], {}, [null], [{}], { a: 1 }, ['x'], 'HTTPRoute', 'Secret', 'x'.repeat(400)];

/** Another valid name there is a policy for somebody else. */
const FOR_WHOM = /^spec\.targetRefs\.0\.(name|sectionName)$/;

/** What the file comes to for the clients of the listener. */
function come(files: Readonly<Record<Kind, unknown>>): { readonly limited: boolean; readonly routes: readonly IrRoute[]; readonly problems: number } | 'refused' {
  const text = [...rest, ...Object.values(files)].map((document) => JSON.stringify(document)).join('\n---\n');
  const { resources, problems, fatal } = load([{ path: 'a.yaml', text }]);
  if (fatal) return 'refused';
  const translated = translate(resources);
  const gateway = translated.ir.gateways[0];
  const [chain] = gateway?.listeners[0]?.chains ?? [];
  return { limited: chain !== undefined && limited(chain, gateway?.clientAuthorities ?? []), routes: gateway?.routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)) ?? [], problems: problems.length + translated.problems.length };
}

/** As it was written, and clients by the one authority. */
function limited({ clientValidation, limits, http }: IrChain, authorities: readonly IrAuthority[]): boolean {
  return clientValidation?.authority === 'client-ca/default/egs' && authorities.map((each) => each.certificates).join() === certificate
    && limits.map(({ name }) => name).join() === 'listener,default/ours/each' && Object.keys(http).length === 3;
}

test('unchanged it is limited, and serves', () => {
  const found = come(documents);
  expect(found !== 'refused' && found.limited).toBe(true);
  expect(found !== 'refused' && found.routes.map(({ action }) => action.kind)).toEqual(['forward']);
});

describe.each(Object.keys(documents) as Kind[])('%s', (kind) => {
  test.each(paths(documents[kind]).map((path) => [path.join('.'), path] as const).filter(([at]) => at !== ''))('%s', (at, path) => {
    for (const value of VALUES) {
      const found = come({ ...documents, [kind]: replaced(documents[kind], path, value) });
      // Something else that is valid, and that nobody has a word to say about, is its author's choice: another name, another number, no limit at all.
      if (found === 'refused' || found.problems === 0 || FOR_WHOM.test(at)) continue;
      const open = !found.limited && found.routes.some(({ action }) => action.kind === 'forward');
      expect(open, `${at} = ${JSON.stringify(value)}`).toBe(false);
    }
  });
});
