// The way to a provider and back: what is too slow, too large or no answer at all; what is asked again and what never is; whom we believe to be the provider.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { issueCertificate, makeLocalhost } from '../../../examples/certificate.ts';
import { parseAnswer } from '../../../extproc/oidc/json-answer.ts';
import type { Provider, Providers } from '../../../extproc/oidc/provider.ts';
import { type Fault, TestProvider } from '../../oidc/provider.ts';
import { Listener } from './listener.ts';
import { LOGIN, type More, callbackOf, clientOf, logIn, outcome, policyFor, providersOf } from './provider-fixture.ts';

let idp: TestProvider;
let providers: Providers;
beforeAll(async () => { idp = await TestProvider.start({ rotateRefreshTokens: false }); clientOf(idp); });
afterAll(async () => { await idp.stop(); });
beforeEach(() => {
  idp.faults.clear();
  idp.slow.clear();
  ({ providers } = providersOf());
  return () => providers.close();
});
const withSettings = (provider: More['provider'] = {}): Provider => providers.of(policyFor(idp.issuer, { provider }));

const FAULTS: readonly (readonly [Fault, string])[] = [
  ['nonsense', 'answer_not_json'], ['broken JSON', 'answer_not_json'], ['binary', 'answer_not_json'], ['endless', 'answer_too_large'], ['declared too large', 'answer_too_large'], ['too deep', 'answer_too_complex'],
  ['redirect', 'redirected'], ['hang', 'timeout'], ['reset', 'connection_lost'], ['cut short', 'connection_lost'], [400, 'http_status'], [404, 'http_status'], [429, 'http_status'], [500, 'http_status'], [503, 'http_status'],
];

describe.each(['discovery', 'keys', 'token'] as const)('%s', (endpoint) => {
  test.each(FAULTS)('%s: %s', async (fault, reason) => {
    const provider = withSettings({ timeoutMs: fault === 'hang' ? 1_000 : 5_000, retries: 0 });
    if (endpoint === 'token') {
      const query = await callbackOf(await provider.authorizationUrl(LOGIN));
      await provider.logoutToken('x').catch(() => { /* the keys are there now */ });
      idp.faults.set(endpoint, fault);
      expect(await outcome(provider.exchange(query, LOGIN))).toBe(`ProviderUnavailable ${reason}`);
      expect(await outcome(provider.refresh('r', { idToken: '', claims: {} }))).toBe(`ProviderUnavailable ${reason}`);
    } else {
      idp.faults.set(endpoint, fault);
      expect(await outcome(provider.logoutToken('x.x.x'))).toBe(`ProviderUnavailable ${reason}`);
    }
  });
});

describe('what is asked again', () => {
  test.each<readonly [Fault, number]>([['reset', 3], ['hang', 3], ['cut short', 3], [500, 1], ['redirect', 1], ['nonsense', 1], ['endless', 1]])('a document, after %s: %i times in all', async (fault, times) => {
    idp.faults.set('discovery', fault);
    const before = idp.asked('discovery');
    await outcome(withSettings({ retries: 2, timeoutMs: fault === 'hang' ? 200 : 5_000 }).authorizationUrl(LOGIN));
    expect(idp.asked('discovery') - before).toBe(times);
  });

  test.each<readonly [Fault]>([['reset'], ['hang'], ['cut short'], [500], [503], ['redirect'], ['nonsense'], ['endless']])('a grant that may have been heard, after %s: never', async (fault) => {
    const provider = withSettings({ retries: 5, timeoutMs: fault === 'hang' ? 1_500 : 5_000 });
    const query = await callbackOf(await provider.authorizationUrl(LOGIN));
    idp.faults.set('token', fault);
    const before = idp.asked('token');
    await outcome(provider.exchange(query, LOGIN));
    await outcome(provider.refresh('r', { idToken: '', claims: {} }));
    expect(idp.asked('token') - before).toBe(2);
  });

  test('a grant that nobody can have heard: it waits for the provider to come back', async () => {
    const provider = withSettings({ retries: 5 });
    const query = await callbackOf(await provider.authorizationUrl(LOGIN));
    await provider.logoutToken('x.x.x').catch(() => { /* the keys are there now */ });
    await idp.down();
    const tokens = provider.exchange(query, LOGIN);
    await new Promise((resolve) => setTimeout(resolve, 150));
    await idp.up();
    expect((await tokens).claims['sub']).toBe('alice');
  });

  test('a grant that nobody can hear: said', async () => {
    const provider = withSettings({ retries: 1 });
    const query = await callbackOf(await provider.authorizationUrl(LOGIN));
    await idp.down();
    try { expect(await outcome(provider.exchange(query, LOGIN))).toBe('ProviderUnavailable unreachable'); } finally { await idp.up(); }
  });

  test('a grant never goes by a connection that was there before: that one could be closing', async () => {
    const heard: string[] = [];
    const listener = await Listener.start((text, socket) => {
      heard.push(text);
      socket.write('HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 25\r\n\r\n{"error":"invalid_grant"}');
    });
    const provider = withSettings({ tokenEndpoint: `http://127.0.0.1:${listener.port}/token` });
    for (let i = 0; i < 3; i++) expect(await outcome(provider.refresh('r', { idToken: '', claims: {} }))).toBe('ProviderRefused invalid_grant');
    expect(listener.connections).toBe(3);
    await listener.close();
  });

  test('a redirect of the token endpoint leads nowhere, whatever it points to', async () => {
    let caught = 0;
    const thief = await Listener.start((_, socket) => { caught++; socket.destroy(); });
    for (const status of [301, 302, 303, 307, 308]) {
      const listener = await Listener.start((_, socket) => { socket.end(`HTTP/1.1 ${status} Moved\r\nlocation: http://127.0.0.1:${thief.port}/\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`); });
      expect(await outcome(withSettings({ tokenEndpoint: `http://127.0.0.1:${listener.port}/token`, retries: 2 }).refresh('r', { idToken: '', claims: {} }))).toBe('ProviderUnavailable redirected');
      await listener.close();
    }
    await thief.close();
    expect(caught).toBe(0);
  });
});

describe('what the provider says no with', () => {
  test.each<readonly [string, string, string]>([
    ['an error', 'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\r\n{"error":"invalid_grant","error_description":"gone"}', 'ProviderRefused invalid_grant'],
    ['an error, with a challenge', 'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="x"\r\ncontent-type: application/json;charset=utf-8\r\n\r\n{"error":"invalid_client"}', 'ProviderRefused invalid_client'],
    ['a type of JSON of its own', 'HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\n\r\n{"error":"invalid_scope"}', 'ProviderRefused invalid_scope'],
    ['JSON that is no error', 'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\r\n{"message":"no"}', 'ProviderUnavailable http_status'],
    ['an error that is no text', 'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\r\n{"error":{"a":1}}', 'ProviderUnavailable http_status'],
    ['nothing', 'HTTP/1.1 204 No Content\r\n\r\n', 'ProviderUnavailable http_status'],
    ['tokens by another status', 'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\r\n{"access_token":"a","token_type":"bearer"}', 'ProviderUnavailable http_status'],
    ['tokens as text', 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{"access_token":"a","token_type":"bearer"}', 'ProviderUnavailable answer_not_json'],
    ['tokens as a form', 'HTTP/1.1 200 OK\r\ncontent-type: application/x-www-form-urlencoded\r\n\r\naccess_token=a&token_type=bearer', 'ProviderUnavailable answer_not_json'],
    ['no tokens', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}', 'InvalidAnswer token_response'],
    ['an array', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[]', 'InvalidAnswer token_response'],
    ['null', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\nnull', 'InvalidAnswer token_response'],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', 'ProviderUnavailable connection_lost'],
  ])('%s', async (_, bytes, expected) => {
    const listener = await Listener.start((_text, socket) => { socket.end(bytes); });
    expect(await outcome(withSettings({ tokenEndpoint: `http://127.0.0.1:${listener.port}/token` }).refresh('r', { idToken: '', claims: {} }))).toBe(expected);
    await listener.close();
  });
});

describe('over TLS', () => {
  const { authority, localhost } = makeLocalhost();
  const other = issueCertificate('other.test', { names: ['other.test'], issuer: authority });
  const servers: TestProvider[] = [];
  let secure: TestProvider;
  beforeAll(async () => { secure = await TestProvider.start({ tls: localhost }); clientOf(secure); servers.push(secure); });
  afterAll(async () => { await Promise.all(servers.map((server) => server.stop())); });
  const outcomeOf = (provider: More['provider'], issuer = secure.issuer): Promise<string> => outcome(providers.of(policyFor(issuer, { provider: { retries: 0, ...provider } })).authorizationUrl(LOGIN));

  test('an authority that nobody told us of is not trusted', async () => { expect(await outcomeOf({})).toBe('ProviderUnavailable certificate_refused'); });

  test('authorities of NODE_EXTRA_CA_CERTS are, in a process of its own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'authorities-'));
    await writeFile(join(folder, 'ca.pem'), authority.certificate);
    const script = `
      import { Providers } from './extproc/oidc/provider.ts';
      import { realWorld } from './extproc/world.ts';
      const providers = new Providers({ world: realWorld, log: { info() {}, warn() {} } });
      const policy = { provider: { issuer: process.argv[1], timeoutMs: 5000, retries: 0 }, clientId: 'app', clientAuthentication: { method: 'none' }, scopes: ['openid'], resources: [], authorizationParameters: {}, requiredAcr: [] };
      console.log((await providers.of(policy).authorizationUrl({ redirectUri: 'https://x/', state: 's', nonce: 'n', verifier: 'v' })).pathname);
      await providers.close();`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, secure.issuer], { cwd: join(import.meta.dirname, '../../..'), env: { ...process.env, NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') } });
    expect(stdout.trim()).toBe('/auth');
    await rm(folder, { recursive: true });
  });

  const connect = (more: Partial<NonNullable<NonNullable<More['provider']>['connect']>> = {}): More['provider'] => ({ connect: { addresses: [{ host: '127.0.0.1', port: secure.port }], ca: authority.certificate, ...more } });
  test.each<readonly [string, () => More['provider'], string, string]>([
    ['an authority of the policy', () => connect(), '', 'fine'],
    ['an authority of the policy, but another one', () => connect({ ca: issueCertificate('x', { authority: true }).certificate }), '', 'ProviderUnavailable certificate_refused'],
    ['a certificate for another name than the endpoint\'s', () => connect(), 'https://other.test', 'ProviderUnavailable certificate_refused'],
    ['a name of the policy in place of the endpoint\'s', () => connect({ serverName: 'localhost' }), 'https://other.test', 'ProviderUnavailable issuer_mismatch'],
    ['a name of the policy that the certificate does not have', () => connect({ serverName: 'another.test' }), '', 'ProviderUnavailable certificate_refused'],
    ['an address as the name of the policy', () => connect({ serverName: '127.0.0.1' }), 'https://other.test', 'ProviderUnavailable issuer_mismatch'],
    ['a name that leads nowhere', () => ({}), 'https://idp.invalid', 'ProviderUnavailable name_not_found'],
    ['the second address, where the first refuses', () => connect({ addresses: [{ host: '127.0.0.1', port: 1 }, { host: '127.0.0.1', port: secure.port }] }), '', 'fine'],
    ['no address that takes connections', () => connect({ addresses: [{ host: '127.0.0.1', port: 1 }, { host: '127.0.0.1', port: 2 }] }), '', 'ProviderUnavailable unreachable'],
    ['a name among the addresses', () => connect({ addresses: [{ host: 'localhost', port: secure.port }] }), '', 'fine'],
  ])('%s', async (_, settings, issuer, expected) => { expect(await outcomeOf(settings(), issuer === '' ? secure.issuer : issuer)).toBe(expected); });

  test('the name that is asked for and the Host header are the endpoint\'s, wherever it is', async () => {
    const named = await TestProvider.start({ tls: other });
    servers.push(named);
    const issuer = `https://other.test:${named.port}`;
    named.lie = { metadata: (document) => JSON.parse(JSON.stringify(document).replaceAll(named.issuer, issuer)) as Record<string, unknown> };
    expect(await outcomeOf({ connect: { addresses: [{ host: '127.0.0.1', port: named.port }], ca: authority.certificate } }, issuer)).toBe('fine');

    const hosts: string[] = [];
    const plain = await Listener.start((text, socket) => { hosts.push(/^host: (.*)$/im.exec(text)?.[1] ?? ''); socket.destroy(); });
    await outcomeOf({ connect: { addresses: [{ host: '127.0.0.1', port: plain.port }] } }, 'http://localhost:4444');
    expect(hosts).toEqual(['localhost:4444']);
    await plain.close();
  });

  test('the first address that does not answer leaves time for the second', async () => {
    const silent = await Listener.start(() => { /* no TLS here */ });
    expect(await outcomeOf({ timeoutMs: 4_000, connect: { addresses: [{ host: '127.0.0.1', port: silent.port }, { host: '127.0.0.1', port: secure.port }], ca: authority.certificate } })).toBe('fine');
    await silent.close();
  });

  test('plain text does not leave this machine, whatever the addresses say', async () => {
    expect(await outcomeOf({ connect: { addresses: [{ host: '192.0.2.1', port: 80 }] } }, 'http://localhost')).toBe('ProviderUnavailable unreachable');
  });

  test('a whole login', async () => {
    const provider = providers.of(policyFor(secure.issuer, { provider: connect() ?? {} }));
    const tokens = await logIn(provider);
    expect(tokens.claims['iss']).toBe(secure.issuer);
    expect((await provider.refresh(tokens.refreshToken ?? '', tokens)).claims['sub']).toBe('alice');
  });
});

describe('JSON of others', () => {
  test.each<readonly [string, string, unknown]>([
    ['brackets in text are no depth', JSON.stringify({ a: '['.repeat(1000) }), { a: '['.repeat(1000) }],
    ['neither are escaped quotes', JSON.stringify({ a: `\\"${'{'.repeat(100)}"\\` }), { a: `\\"${'{'.repeat(100)}"\\` }],
    ['10,000 members', `[${'1,'.repeat(10_000)}1]`, undefined],
    ['commas in text are no members', JSON.stringify({ a: ','.repeat(20_000) }), { a: ','.repeat(20_000) }],
    ['64 levels', `${'['.repeat(64)}${']'.repeat(64)}`, undefined],
  ])('%s', (_, text, expected) => { if (expected === undefined) parseAnswer(text); else expect(parseAnswer(text)).toEqual(expected); });

  test.each(['['.repeat(65), '{"a":'.repeat(65), `"x",${'['.repeat(500_000)}`, `[${'1,'.repeat(10_001)}1]`, JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [index, 1])))])('65 levels, or 10,000 members, and more: not even parsed', (text) => { expect(() => parseAnswer(text)).toThrow('answer_too_complex'); });
});
