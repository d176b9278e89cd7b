// A real OpenID provider for tests (npm's oidc-provider), which may go away, be slow, answer nonsense, lie, and change its keys.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type JWK, type JWTPayload, SignJWT, importJWK } from 'jose';
import Provider, { type AdapterPayload, type ClientMetadata } from 'oidc-provider';
import { Agent, fetch as send } from 'undici';
import type { Pair } from '../../examples/certificate.ts';
import { LIES, type Lie, type LieName, told } from './lies.ts';
import { type Settings, configuration, interaction } from './provider-configuration.ts';

export type Endpoint = 'discovery' | 'keys' | 'authorization' | 'token' | 'refresh' | 'logout' | 'other';
export type Fault = 'nonsense' | 'broken JSON' | 'endless' | 'declared too large' | 'too deep' | 'redirect' | 'hang' | 'reset' | 'cut short' | 'binary' | 400 | 404 | 429 | 500 | 503;
export interface Options extends Partial<Settings> { readonly tls?: Pair; readonly port?: number; /** As it is in its addresses; 127.0.0.1 otherwise, where it listens in any case. */ readonly host?: string; /** Authorities of the clients' back-channel. */ readonly ca?: string }

export const SECRET = 'a-secret-of-the-tests';

export class TestProvider {
  readonly issuer: string;
  readonly settings: Settings;
  /** How it answers at an endpoint; `token` covers refreshes. */
  readonly faults = new Map<Endpoint, Fault>();
  /** Milliseconds before it answers. */
  readonly slow = new Map<Endpoint, number>();
  /** Back-channel logouts that a client did not take. */
  readonly logoutProblems: string[] = [];
  lie: Lie | undefined;
  #keys: JWK[] = makeKeys();
  #provider: Provider;
  #server: Server;
  readonly #asked = new Map<Endpoint, number>();
  readonly #sockets = new Set<Socket>();
  readonly #storage = new Map<string, AdapterPayload>();
  readonly #options: Options;
  readonly #agent: Agent;

  private constructor(server: Server, options: Options) {
    this.#server = server;
    this.#options = options;
    this.#agent = new Agent(options.ca === undefined ? {} : { connect: { ca: options.ca } });
    const { account = 'alice', login = 'auto', rotateRefreshTokens = true, alwaysRefreshTokens = true, accessTokenSeconds = 3600, claims = {} } = options;
    this.settings = { account, login, rotateRefreshTokens, alwaysRefreshTokens, accessTokenSeconds, claims };
    this.issuer = `${options.tls === undefined ? 'http' : 'https'}://${options.host ?? '127.0.0.1'}:${this.port}`;
    this.#provider = this.#make();
  }

  static async start(options: Options = {}): Promise<TestProvider> {
    const server = await listen(options, options.port ?? 0);
    const provider = new TestProvider(server, options);
    provider.#serve();
    return provider;
  }

  get port(): number { return (this.#server.address() as AddressInfo).port; }
  asked(endpoint: Endpoint): number { return this.#asked.get(endpoint) ?? 0; }
  tell(lie: LieName | undefined): void { this.lie = lie === undefined ? undefined : LIES[lie]; }
  /** The private keys, newest first. */
  get keys(): readonly JWK[] { return this.#keys; }

  /** A client, known from now on. A secret is SECRET, unless there is another. */
  client(id: string, redirectUris: readonly string[], more: Partial<ClientMetadata> = {}): void {
    const method = more.token_endpoint_auth_method ?? 'client_secret_basic';
    this.#storage.set(`Client:${id}`, {
      client_id: id, redirect_uris: [...redirectUris], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'],
      token_endpoint_auth_method: method, ...(method.startsWith('client_secret') ? { client_secret: SECRET } : {}), ...more,
    } as AdapterPayload);
  }

  /** New keys sign from now on; the old ones are shown as long as they are kept. */
  rotateKeys({ keepOld = false } = {}): void {
    this.#keys = [...makeKeys(), ...(keepOld ? this.#keys : [])];
    this.#provider = this.#make();
  }

  /** Nobody listens any more. */
  async down(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
  async up(): Promise<void> {
    this.#server = await listen(this.#options, Number(new URL(this.issuer).port));
    this.#serve();
  }
  async stop(): Promise<void> {
    await this.down();
    await this.#agent.destroy();
  }

  /** A logout token as the provider would send it, but for what is asked for. */
  async logoutToken(client: string, claims: JWTPayload, { header = {}, without = [] }: { readonly header?: Record<string, unknown>; readonly without?: readonly string[] } = {}): Promise<string> {
    const [key = {}] = this.#keys;
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: this.issuer, aud: client, iat: now, exp: now + 120, jti: randomUUID(), events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...claims };
    const said = Object.fromEntries(Object.entries(payload).filter(([name]) => !without.includes(name)));
    return new SignJWT(said).setProtectedHeader({ alg: `${key.alg}`, kid: `${key.kid}`, typ: 'logout+jwt', ...header }).sign(await importJWK(key, `${key.alg}`));
  }

  #make(): Provider {
    const provider = new Provider(this.issuer, configuration({ keys: this.#keys as never }, {
      settings: this.settings, storage: this.#storage,
      send: async (url, { method, headers, body }) => {
        const { status } = await send(url, { method: method ?? 'GET', headers: [...new Headers(headers as Record<string, string>)], body: `${body as URLSearchParams}`, dispatcher: this.#agent });
        return new Response(null, { status });
      },
    }));
    provider.use(async (ctx, next) => {
      await next();
      if (ctx.oidc?.params?.['grant_type'] === 'refresh_token') this.#count('refresh');
      await this.#pretend(ctx);
    });
    provider.on('backchannel.error', (_ctx, error) => { this.logoutProblems.push(error.message); });
    return provider;
  }

  async #pretend(ctx: Parameters<Parameters<Provider['use']>[0]>[0]): Promise<void> {
    const { lie } = this;
    if (lie === undefined) return;
    const body = ctx.body as Record<string, unknown>;
    const refresh = ctx.oidc?.params?.['grant_type'] === 'refresh_token';
    if (ctx.path === '/.well-known/openid-configuration' && lie.metadata !== undefined) ctx.body = lie.metadata(body);
    if (ctx.path === '/token' && ctx.status === 200) {
      const answer = typeof body['id_token'] === 'string' && (lie.claims ?? lie.sign) !== undefined ? { ...body, id_token: await told(lie, body['id_token'], refresh, this.#keys) } : body;
      ctx.body = lie.tokens?.(answer, refresh) ?? answer;
    }
    const location = URL.parse(ctx.response.get('location'));
    if (location !== null && (location.searchParams.has('code') || location.searchParams.has('error')) && lie.callback !== undefined) {
      lie.callback(location);
      ctx.set('location', location.href);
    }
  }

  #serve(): void {
    this.#server.on('connection', (socket: Socket) => { this.#sockets.add(socket.once('close', () => this.#sockets.delete(socket))); });
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(`${error}`)));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const endpoint = endpointOf(request.url ?? '');
    this.#count(endpoint);
    const slow = this.slow.get(endpoint);
    if (slow !== undefined) await new Promise((resolve) => setTimeout(resolve, slow));
    const fault = this.faults.get(endpoint);
    if (fault !== undefined) return misbehave(fault, request, response);
    if (await interaction(this.#provider, this.settings, request, response)) return;
    await this.#provider.callback()(request, response);
  }

  #count(endpoint: Endpoint): void { this.#asked.set(endpoint, this.asked(endpoint) + 1); }
}

function endpointOf(url: string): Endpoint {
  const [path = ''] = url.split('?');
  const table: Readonly<Record<string, Endpoint>> = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'keys', '/auth': 'authorization', '/token': 'token', '/session/end': 'logout' };
  return table[path] ?? 'other';
}

function misbehave(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const json = (body: string | Buffer): void => void response.setHeader('content-type', 'application/json').end(body);
  switch (fault) {
    case 'nonsense': return void response.setHeader('content-type', 'text/html').end('<h1>Welcome to nginx!</h1>');
    case 'broken JSON': return json('{"keys":');
    case 'binary': return json(Buffer.from([0x7b, 0xff, 0xfe, 0x7d]));
    case 'too deep': return json('['.repeat(400_000) + ']'.repeat(400_000));
    case 'declared too large': return void response.writeHead(200, { 'content-type': 'application/json', 'content-length': '99999999' }).flushHeaders();
    case 'endless': {
      response.setHeader('content-type', 'application/json');
      const chunk = ' '.repeat(65_536);
      const more = (): void => { while (!response.destroyed && response.write(chunk)); };
      response.on('drain', more).on('error', () => { /* they had enough */ });
      return more();
    }
    case 'redirect': return void response.writeHead(302, { location: '/elsewhere' }).end();
    case 'hang': return;
    case 'reset': return void request.on('end', () => request.socket.destroy());
    case 'cut short': return void response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"issuer":', () => request.socket.destroy());
    default: return void response.writeHead(fault, { 'content-type': 'text/plain' }).end('no');
  }
}

async function listen({ tls }: Options, port: number): Promise<Server> {
  const server: Server = tls === undefined ? createServer() : createTlsServer({ cert: tls.certificate, key: tls.key });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

/** RS256 first: it is what clients get that ask for nothing else. */
function makeKeys(): JWK[] {
  return [{ alg: 'RS256', pair: generateKeyPairSync('rsa', { modulusLength: 2048 }) }, { alg: 'ES256', pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }, { alg: 'EdDSA', pair: generateKeyPairSync('ed25519') }]
    .map(({ alg, pair }) => ({ ...pair.privateKey.export({ format: 'jwk' }) as JWK, alg, use: 'sig', kid: randomUUID() }));
}
