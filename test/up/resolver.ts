// What the resolver's tests stand on: a name server and hosts of the test on loopback, and the documents that lead there.
import { once } from 'node:events';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type Http2SecureServer, createSecureServer } from 'node:http2';
import { type AddressInfo, isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueCertificate } from '../../examples/certificate.ts';
import { NameServer, type Row } from '../extproc/resolver/name-server.ts';
import { documents, gateway, gatewayClass } from './manifests.ts';

type Issued = ReturnType<typeof issueCertificate>;

/** Names of the test, and whoever answers under them. */
export class Hosts {
  readonly authority: Issued = issueCertificate('test authority', { authority: true });
  readonly folder = mkdtempSync(join(tmpdir(), 'gw-hosts-'));
  /** What names resolve to. */
  readonly names: Record<string, readonly string[]> = {};
  readonly #servers: (Server | Http2SecureServer)[] = [];
  readonly dns: NameServer;
  /** Hosts of the requests that came through, whichever server had them. */
  readonly reached: string[] = [];

  private constructor(dns: NameServer) { this.dns = dns; }

  static async start(): Promise<Hosts> {
    const hosts = new Hosts(await NameServer.start());
    hosts.dns.zone = ({ name, type }) => {
      const addresses = hosts.names[name];
      return addresses === undefined ? { code: 3 } : { records: addresses.filter((each) => isIPv4(each) === (type === 'A')).map((value): Row => ({ type: isIPv4(value) ? 'A' : 'AAAA', ttl: 0, value })) };
    };
    writeFileSync(join(hosts.folder, 'ca.pem'), hosts.authority.certificate);
    return hosts;
  }

  /** For $SSL_CERT_FILE. */
  get caFile(): string { return join(this.folder, 'ca.pem'); }

  /** A host over TLS, HTTP/2 and HTTP/1.1 as the client likes; its port. Certificate absent: for `name`, by the test's authority. */
  async secure(name: string, { certificate, key }: Issued = issueCertificate(name, { names: [name], issuer: this.authority })): Promise<number> {
    const server = createSecureServer({ cert: certificate, key, allowHTTP1: true }, (request, response) => { this.#answer(request as never, response as never); });
    return this.#listen(name, server);
  }

  async plain(name: string): Promise<number> { return this.#listen(name, createServer((request, response) => { this.#answer(request, response); })); }

  async #listen(name: string, server: Server | Http2SecureServer): Promise<number> {
    server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    this.names[name] = ['127.0.0.1'];
    return (server.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const host = String(request.headers[':authority'] ?? request.headers.host);
    this.reached.push(host);
    response.end(`${request.httpVersion} ${host} ${Object.keys(request.headers).filter((name) => name.startsWith('x-')).join(',')}`);
  }

  /** A policy that asks our name server and lets our hosts be reached: `spec` in place of what it says otherwise. */
  policy(spec: object = {}, target: object = { kind: 'Gateway', name: 'eg' }, name = 'test'): object {
    return {
      apiVersion: 'gatewright.dev/v1alpha1', kind: 'ResolverPolicy', metadata: { name },
      spec: {
        targetRefs: [{ group: 'gateway.networking.k8s.io', ...target }], addresses: { allow: ['Public', '127.0.0.1'] }, ports: { allow: [{ port: 1, endPort: 65_535 }] },
        dns: { servers: [this.dns.address], hostsFile: '', minTtl: '1ms', negativeTtl: '1ms' }, ...spec,
      },
    };
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) server.close();
    await this.dns[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}


export const enabled = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'EnvoyGateway', extensionApis: { enableBackend: true } };
export const backend = (name: string, spec: object = { tls: { wellKnownCACertificates: 'System' } }): object =>
  ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'Backend', metadata: { name }, spec: { type: 'DynamicResolver', ...spec } });
export const dynamicRoute = (name: string, to = name, match: object = { path: { type: 'PathPrefix', value: `/${name}` } }, spec: object = {}): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name },
  spec: { parentRefs: [{ name: 'eg' }], rules: [{ matches: [match], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: to }] }], ...spec },
});
export const edge = documents(gatewayClass, gateway(), enabled);
