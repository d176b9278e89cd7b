// Limits by what the connections of a listener do not have, in a policy for a whole Gateway: in force where they can count, left out where they cannot, and said.
import { expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { documents, gateway, gatewayClass, httpRoute, service } from '../up/manifests.ts';

const { certificate, key } = issueCertificate('www.example.com', { names: ['www.example.com'], authority: true });
const listeners: Readonly<Record<string, object>> = {
  plain: { name: 'plain', protocol: 'HTTP', port: 80 },
  anyone: { name: 'anyone', protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'tls' }] } },
  asks: { name: 'asks', protocol: 'HTTPS', port: 444, tls: { certificateRefs: [{ name: 'tls' }] } },
};
const target = (sectionName?: string): object => ({ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'eg', ...(sectionName === undefined ? {} : { sectionName }) });
const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, type: 'kubernetes.io/tls', stringData: { 'tls.crt': certificate, 'tls.key': key } };
const authorities = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'authorities' }, data: { 'ca.crt': certificate } };
const validation = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'ClientTrafficPolicy', metadata: { name: 'asks' }, spec: {
  targetRefs: [target('asks')], tls: { clientValidation: { caCertificateRefs: [{ kind: 'ConfigMap', name: 'authorities' }] } },
} };
const limit = (...per: readonly string[]): object[] => per.map((each) => ({ name: each.toLowerCase(), per: each, value: 1 }));

/** What becomes of a ConnectionLimitPolicy on a Gateway with these listeners: limits by listener (or that it is closed), and what is said. */
function become(names: readonly string[], limits: readonly object[], sectionName?: string): { limits: Record<string, string>; said: string[]; accepted: string[] } {
  const policy = { apiVersion: 'gatewright.dev/v1alpha1', kind: 'ConnectionLimitPolicy', metadata: { name: 'few' }, spec: { targetRefs: [target(sectionName)], limits } };
  const all = documents(gatewayClass, gateway(names.map((name) => listeners[name])), service(), secret, authorities, httpRoute('all', undefined, { hostnames: [] }), policy, ...(names.includes('asks') ? [validation] : []));
  const loaded = load([{ path: 'a.yaml', text: all }]);
  expect(loaded.problems).toEqual([]);
  const { ir, problems, statuses } = translate(loaded.resources);
  const { listeners: bound, routeTables } = ir.gateways[0] ?? { listeners: [], routeTables: [] };
  const closed = (table: string): boolean => routeTables.some(({ name, virtualHosts }) => name === table && virtualHosts.some(({ routes }) => routes.some(({ action }) => action.kind === 'respond')));
  const status = statuses.find(({ kind }) => kind === 'ConnectionLimitPolicy')?.status as unknown as { ancestors: { conditions: { type: string; status: string }[] }[] };
  return {
    limits: Object.fromEntries(bound.flatMap(({ serves, chains }) => chains.map((chain) => [serves.join(), closed(chain.routeTable) ? 'closed' : chain.limits.map(({ per }) => per).join()]))),
    said: problems.map(({ severity, path, message, hint }) => `${severity} ${path}: ${message.split(' has no TLS')[0]?.split(' asks for')[0]}${hint === undefined ? '' : ` (${hint})`}`),
    accepted: status.ancestors.flatMap(({ conditions }) => conditions.filter(({ type }) => type === 'Accepted').map((each) => each.status)),
  };
}
const HINT = '(tls.clientValidation of a ClientTrafficPolicy asks for them)';

test('by server name: HTTPS listeners are limited, HTTP ones are left as they are', () => {
  expect(become(['plain', 'anyone'], limit('ServerName', 'SourceIP'))).toEqual({
    limits: { plain: 'SourceIP', anyone: 'ServerName,SourceIP' }, said: ['warning spec.limits[0].per: listener plain'], accepted: ['True'],
  });
});

test('by client certificate: listeners that ask for one are limited, the others are left as they are', () => {
  expect(become(['plain', 'anyone', 'asks'], limit('ClientCertificate'))).toEqual({
    limits: { plain: '', anyone: '', asks: 'ClientCertificate' }, accepted: ['True'],
    said: [`warning spec.limits[0].per: listener plain ${HINT}`, `warning spec.limits[0].per: listener anyone ${HINT}`],
  });
});

test('each limit by itself: what one listener can count and another can\'t', () => {
  expect(become(['plain', 'anyone', 'asks'], limit('ServerName', 'ClientCertificate', 'Gateway')).limits).toEqual({ plain: 'Gateway', anyone: 'ServerName,Gateway', asks: 'ServerName,ClientCertificate,Gateway' });
});

test.each([
  [['plain'], 'ServerName', 'plain'], [['plain', 'anyone'], 'ClientCertificate', 'plain,anyone'],
] as const)('where none of %j can count by %s it is a mistake', (names, per, closed) => {
  const { limits, said, accepted } = become(names, limit(per));
  expect([Object.entries(limits).filter(([, each]) => each === 'closed').map(([name]) => name).join(), accepted]).toEqual([closed, ['False']]);
  expect(said).toEqual(names.map((name) => `error spec.limits[0].per: listener ${name}${per === 'ServerName' ? '' : ` ${HINT}`}`));
});

test('in a policy for that listener it is a mistake', () => {
  expect(become(['plain', 'anyone'], limit('ServerName'), 'plain')).toEqual({ limits: { plain: 'closed', anyone: '' }, said: ['error spec.limits[0].per: listener plain'], accepted: ['False'] });
});
