// What the resolver's tests stand on: a name server and hosts of the test on loopback, and the documents that lead there.
import { once } from 'node:events';
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type Http2SecureServer, createSecureServer } from 'node:http2';
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, isIPv4 } from 'node:net';
import { tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { join } from 'node:path';
import { issueCertificate } from '../../examples/certificate.ts';
import { NameServer, type Row } from '../extproc/resolver/name-server.ts';
import { documents, gateway, gatewayClass } from './manifests.ts';
import { exchange } from './raw.ts';

type Issued = ReturnType<typeof issueCertificate>;

/** What a host answers: where it was reached, and as whom. */
export interface Echo { readonly at: string | undefined; readonly version: string; readonly host: string }

/** Names of the test, and whoever answers under them. */
export class Hosts {
  readonly authority: Issued = issueCertificate('test authority', { authority: true });
  readonly folder = mkdtempSync(join(tmpdir(), 'gw-hosts-'));
  /** What names resolve to. */
  readonly names: Record<string, readonly string[]> = {};
  readonly #servers: (Server | HttpsServer | Http2SecureServer)[] = [];
  readonly dns: NameServer;
  /** Hosts of the requests that came through, whichever server had them. */
  readonly reached: string[] = [];
  /** And their CDN-Loop; Envoy makes one line of several. */
  readonly loops: unknown[] = [];

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

  /** A host over TLS, HTTP/2 and HTTP/1.1 as the client likes; its port. `clients`: whose certificates it asks for. */
  async secure(name: string, { pair = this.certificate(name), protocols = ['h2', 'http/1.1'], clients }: { pair?: Issued; protocols?: readonly string[]; clients?: string } = {}): Promise<number> {
    const options = { cert: pair.certificate, key: pair.key, ...(clients !== undefined && { ca: clients, requestCert: true }) };
    const server = protocols.includes('h2') ? createSecureServer({ ...options, allowHTTP1: protocols.length > 1 }, (request, response) => { this.#answer(request as never, response as never); })
      : createHttpsServer(options, (request, response) => { this.#answer(request, response); });
    return this.#listen(name, server);
  }

  /** For `name`, by the test's authority. */
  certificate(name: string, days = 30): Issued { return issueCertificate(name, { names: [name], issuer: this.authority, days }); }

  /** A host without TLS, on every address of loopback, or on this one and at this port. */
  async plain(name: string, address = '::', port = 0): Promise<number> { return this.#listen(name, createServer((request, response) => { this.#answer(request, response); }), address, port); }

  async #listen(name: string, server: Server | HttpsServer | Http2SecureServer, address = '127.0.0.1', port = 0): Promise<number> {
    server.on('sessionError', () => undefined).on('tlsClientError', () => undefined);
    // An echo over whatever it is upgraded to.
    server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      this.reached.push(String(request.headers.host));
      socket.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
      socket.pipe(socket);
    });
    server.listen(port, address);
    await once(server, 'listening');
    this.#servers.push(server);
    this.names[name] = ['127.0.0.1'];
    return (server.address() as AddressInfo).port;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const host = String(request.headers[':authority'] ?? request.headers.host);
    this.reached.push(host);
    this.loops.push(request.headers['cdn-loop']);
    const grpc = request.headers['content-type'] === 'application/grpc';
    if (grpc) response.writeHead(200, { 'content-type': 'application/grpc', trailer: 'grpc-status' });
    response.write(JSON.stringify({ at: request.socket.localAddress?.replace('::ffff:', ''), version: request.httpVersion, host } satisfies Echo));
    if (grpc) response.addTrailers({ 'grpc-status': '0' });
    response.end();
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
    for (const server of this.#servers) {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    }
    await this.dns[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}


export interface Answer { readonly status: number; readonly body: string }

export async function get(address: string, path: string, host: string, headers = ''): Promise<Answer> {
  const [answer] = await exchange(address, `GET ${path} HTTP/1.1\r\nHost: ${Buffer.from(host).toString('latin1')}\r\n${headers}Connection: close\r\n\r\n`, 30_000);
  const body = answer?.text.split('\r\n\r\n').slice(1).join('\r\n\r\n') ?? '';
  return { status: answer?.status ?? 0, body: body.replace(/^[0-9a-f]+\r\n|\r\n0(\r\n)*$/g, '') };
}

export const enabled = { apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'EnvoyGateway', extensionApis: { enableBackend: true } };
export const backend = (name: string, spec: object = { tls: { wellKnownCACertificates: 'System' } }): object =>
  ({ apiVersion: 'gateway.envoyproxy.io/v1alpha1', kind: 'Backend', metadata: { name }, spec: { type: 'DynamicResolver', ...spec } });
export const dynamicRoute = (name: string, to = name, match: object = { path: { type: 'PathPrefix', value: `/${name}` } }, spec: object = {}): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name },
  spec: { parentRefs: [{ name: 'eg' }], rules: [{ matches: [match], backendRefs: [{ group: 'gateway.envoyproxy.io', kind: 'Backend', name: to }] }], ...spec },
});
export const edge = documents(gatewayClass, gateway(), enabled);
