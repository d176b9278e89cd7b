// Providers that are reached by backendRefs: inside the network, by other addresses than their names say, verified by authorities of their own.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issueCertificate } from '../../examples/certificate.ts';
import { Browser, login } from '../oidc/browser.ts';
import { TestProvider } from '../oidc/provider.ts';
import { LoginSite, ORIGIN, forget, httpsGateway, loginRoute } from './login-site.ts';
import { endpoint } from './manifests.ts';

const authority = issueCertificate('authority of the provider', { authority: true }), stranger = issueCertificate('another authority', { authority: true });
const enabled = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'EnvoyGateway', extensionApis: { enableBackend: true } };
const authorities = (name: string, { certificate }: { readonly certificate: string }): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { 'ca.crt': certificate } });
const backend = (name: string, endpoints: readonly object[], tls?: object): object => ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'Backend', metadata: { name }, spec: { endpoints, ...(tls === undefined ? {} : { tls }) } });
const ours = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ours' }] };
const at = (port: number): object => ({ ip: { address: '127.0.0.1', port } });

let site: LoginSite, idp: TestProvider;
/** Route → the backends of its provider. */
const backends = (port: number, dead: number): Readonly<Record<string, object>> => ({
  known: backend('known', [at(port)], ours), 'by-name': backend('by-name', [{ fqdn: { hostname: 'localhost', port } }], ours), 'one-is-dead': backend('one-is-dead', [at(dead), at(port)], ours), named: backend('named', [at(port)], { ...ours, sni: 'idp.example.com' }),
  'another-authority': backend('another-authority', [at(port)], { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'theirs' }] }), 'authority-of-the-system': backend('authority-of-the-system', [at(port)]),
  'another-name': backend('another-name', [at(port)], { ...ours, sni: 'other.example.com' }), dead: backend('dead', [at(dead)], ours),
});
beforeAll(async () => {
  idp = await TestProvider.start({ host: 'idp.example.com', tls: issueCertificate('idp.example.com', { names: ['idp.example.com'], issuer: authority }) });
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const dead = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
  site = await LoginSite.start(() => {
    const all = backends(idp.port, dead);
    const provider = (ref: object): object => ({ issuer: idp.issuer, backendRefs: [ref], backendSettings: { retry: { numRetries: 0 } } });
    for (const name of [...Object.keys(all), 'service']) idp.client(name, [`${ORIGIN}/${name}/callback`]);
    return { 'all.yaml': [
      enabled, httpsGateway(), authorities('ours', authority), authorities('theirs', stranger), ...Object.values(all), ...endpoint(idp.port, 'idp'),
      ...Object.keys(all).flatMap((name) => loginRoute(name, idp.issuer, { oidc: { provider: provider({ group: 'gateway.envoyproxy.io', kind: 'Backend', name }) } })),
      ...loginRoute('service', idp.issuer, { oidc: { provider: provider({ name: 'idp', port: 3000 }) } }),
    ] };
  });
});
afterAll(async () => { await site?.stop(); await idp?.stop(); });

/** It knows the provider as people do, whatever the site is told. */
const browser = (): Browser => new Browser({ ports: { 'www.example.com:8443': site.port } });

describe('a provider behind backendRefs', () => {
  test.each(['known', 'by-name', 'one-is-dead', 'named'])('is reached there, and by its name in the browser: %s', async (name) => {
    const someone = browser();
    try {
      const page = await login(someone, `${ORIGIN}/${name}/deep`);
      expect([page.status, page.url.href, page.steps[1]?.url.hostname]).toEqual([200, `${ORIGIN}/${name}/deep`, 'idp.example.com']);
      forget(someone);
      expect((await someone.script(`/${name}/api`, new URL(ORIGIN))).status).toBe(200);
    } finally { await someone.close(); }
  });

  test.each(['another-authority', 'authority-of-the-system', 'another-name', 'dead', 'service'])('that cannot be verified, or does not answer, logs nobody in: %s', async (name) => {
    const answer = await site.send(`/${name}/x`, { headers: { accept: 'text/html' } });
    expect([answer.status, answer.body.includes('gatewright_oidc_provider_unavailable'), answer.headers['set-cookie']]).toEqual([503, true, undefined]);
  });
});
