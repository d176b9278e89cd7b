// What is known of a provider: when it is asked for, how often, and what is left when the provider is gone.
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { Discovery, type DiscoveryOptions } from '../../../extproc/oidc/discovery.ts';
import { discoveryUrl, readKeys, readMetadata } from '../../../extproc/oidc/metadata.ts';
import { ProviderUnavailable } from '../../../extproc/oidc/provider-error.ts';
import { HandWorld } from './hand-world.ts';
import { outcome } from './provider-fixture.ts';

const ISSUER = 'https://idp.test';
const DOCUMENT = {
  issuer: ISSUER, authorization_endpoint: `${ISSUER}/auth`, token_endpoint: `${ISSUER}/token`, end_session_endpoint: `${ISSUER}/end`, jwks_uri: `${ISSUER}/jwks`,
  id_token_signing_alg_values_supported: ['RS256'], authorization_response_iss_parameter_supported: true,
};
const KEY = { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0', alg: 'ES256' };
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A provider whose answers a test chooses. */
class Answers {
  document: unknown = DOCUMENT;
  keys: unknown = { keys: [{ ...KEY, kid: 'first' }] };
  failing = new Set<'discovery' | 'keys'>();
  gate: Promise<void> = Promise.resolve();
  readonly asked: string[] = [];
  readonly get = async (url: URL): Promise<unknown> => {
    const what = url.pathname === '/jwks' ? 'keys' : 'discovery';
    this.asked.push(what);
    await this.gate;
    if (this.failing.has(what)) throw new ProviderUnavailable('unreachable');
    return what === 'keys' ? this.keys : this.document;
  };
  count(what: 'discovery' | 'keys'): number { return this.asked.filter((each) => each === what).length; }
}

let world: HandWorld;
let answers: Answers;
let logged: string[];
const make = (more: Partial<DiscoveryOptions> = {}): Discovery => new Discovery({
  issuer: ISSUER, get: answers.get, world, log: { info: (_: object, text: string) => { logged.push(`info ${text}`); }, warn: (_: object, text: string) => { logged.push(`warn ${text}`); } } as never, ...more,
});
beforeEach(() => { world = new HandWorld(); answers = new Answers(); logged = []; });

describe('how often a provider is asked', () => {
  test('not at all before somebody logs in; then once for all of them', async () => {
    const discovery = make();
    await world.pass(60 * MINUTE);
    expect(answers.asked).toEqual([]);
    const { promise, resolve } = Promise.withResolvers<void>();
    answers.gate = promise;
    const all = Promise.all(Array.from({ length: 100 }, () => discovery.metadata()));
    resolve();
    expect((await all)[99]).toEqual(DOCUMENT);
    expect(answers.count('discovery')).toBe(1);
  });

  test('the keys are fetched before anybody comes back with a token', async () => {
    const discovery = make();
    await discovery.metadata();
    await world.pass(SECOND);
    expect(answers.asked).toEqual(['discovery', 'keys']);
    await discovery.keys();
    expect(answers.asked).toEqual(['discovery', 'keys']);
  });

  test('while it does not answer, a flood of logins asks it once a second', async () => {
    answers.failing.add('discovery');
    const discovery = make();
    for (let step = 0; step < 100; step++) {
      expect(await outcome(discovery.metadata())).toBe('ProviderUnavailable unreachable');
      await world.pass(100);
    }
    expect(answers.count('discovery')).toBeGreaterThanOrEqual(8);
    expect(answers.count('discovery')).toBeLessThanOrEqual(11);
    answers.failing.clear();
    await world.pass(SECOND);
    expect(await outcome(discovery.metadata())).toBe('fine');
  });

  test('while it does not answer and nobody comes, with growing pauses, and in the end no more', async () => {
    answers.failing.add('discovery');
    const discovery = make();
    await outcome(discovery.metadata());
    await world.pass(10 * SECOND);
    expect(answers.count('discovery')).toBeGreaterThanOrEqual(3);
    expect(answers.count('discovery')).toBeLessThanOrEqual(6);
    const before = answers.count('discovery');
    await world.pass(60 * MINUTE);
    expect(answers.count('discovery') - before).toBeLessThanOrEqual(8);
    expect(world.timers).toBe(0);
    expect(logged.filter((line) => line.startsWith('warn')).length).toBeLessThan(answers.count('discovery'));
  });

  test('in use, it is asked again every ten minutes, give or take one', async () => {
    const discovery = make();
    for (let minute = 0; minute < 60; minute++) { await discovery.metadata(); await world.pass(MINUTE); }
    expect(answers.count('discovery')).toBeGreaterThanOrEqual(5);
    expect(answers.count('discovery')).toBeLessThanOrEqual(8);
    expect(answers.count('keys')).toBe(answers.count('discovery'));
  });

  test('many processes do not ask at once', async () => {
    const times = new Set<number>();
    for (let dice = 0; dice < 256; dice += 51) {
      const mine = new HandWorld();
      const theirs = new Answers();
      const discovery = make({ world: { now: mine.now, monotonic: mine.monotonic, after: mine.after, random: () => Uint8Array.of(dice) }, get: theirs.get });
      await discovery.metadata();
      await mine.pass(SECOND);
      await discovery.metadata();
      let seconds = 0;
      for (; theirs.count('discovery') < 2; seconds++) await mine.pass(SECOND);
      times.add(seconds);
      expect(seconds).toBeGreaterThanOrEqual(9 * 60 - 2);
      expect(seconds).toBeLessThanOrEqual(11 * 60);
    }
    expect(times.size).toBe(6);
  });

  test('out of use, it is left alone; after that, what is known serves at once and is renewed behind it', async () => {
    const discovery = make();
    await discovery.metadata();
    await world.pass(60 * MINUTE);
    expect(answers.count('discovery')).toBe(1);
    answers.document = { ...DOCUMENT, token_endpoint: `${ISSUER}/token2` };
    expect((await discovery.metadata()).token_endpoint).toBe(`${ISSUER}/token`);
    await world.pass(SECOND);
    expect((await discovery.metadata()).token_endpoint).toBe(`${ISSUER}/token2`);
  });

  test('closed, it asks nothing any more', async () => {
    const discovery = make();
    await discovery.metadata();
    await discovery.close();
    expect(world.timers).toBe(0);
  });
});

describe('a provider that goes away', () => {
  test('what was known is known for ever, keys too', async () => {
    const discovery = make();
    await discovery.metadata();
    const keys = await discovery.keys();
    answers.failing.add('discovery').add('keys');
    for (let hour = 0; hour < 1000; hour++) { await world.pass(60 * MINUTE); await discovery.metadata(); }
    expect(await discovery.metadata()).toEqual(DOCUMENT);
    expect(await discovery.keys()).toBe(keys);
  });

  test('and comes back: it is known again before long', async () => {
    const discovery = make();
    await discovery.keys();
    await world.pass(SECOND);
    answers.failing.add('discovery').add('keys');
    for (let minute = 0; minute < 30; minute++) { await discovery.metadata(); await world.pass(MINUTE); }
    answers.failing.clear();
    answers.document = { ...DOCUMENT, token_endpoint: `${ISSUER}/token2` };
    answers.keys = { keys: [{ ...KEY, kid: 'second' }] };
    for (let use = 0; use < 12; use++) { await discovery.metadata(); await world.pass(10 * SECOND); }
    expect((await discovery.metadata()).token_endpoint).toBe(`${ISSUER}/token2`);
    expect((await discovery.keys()).set.keys[0]?.kid).toBe('second');
  });

  test.each<readonly [string, (all: Answers) => void]>([
    ['no JSON object', (all) => { all.document = []; }],
    ['another issuer', (all) => { all.document = { ...DOCUMENT, issuer: 'https://evil.test' }; }],
    ['no keys', (all) => { all.keys = { keys: [] }; }],
    ['no key set', (all) => { all.keys = { hello: 1 }; }],
  ])('which says %s, is not believed: the last good one stays', async (_, change) => {
    const discovery = make();
    const before = [await discovery.metadata(), await discovery.keys()];
    change(answers);
    for (let minute = 0; minute < 60; minute++) { await world.pass(MINUTE); expect([await discovery.metadata(), await discovery.keys()].map((each) => JSON.stringify(each))).toEqual(before.map((each) => JSON.stringify(each))); }
  });
});

describe('whether somebody is there to log in at', () => {
  test('is asked when nothing was heard for a while, once for all, and not again before long', async () => {
    const discovery = make();
    await discovery.metadata();
    await discovery.there();
    expect(answers.count('discovery')).toBe(1);
    await world.pass(15 * SECOND);
    await Promise.all(Array.from({ length: 100 }, () => discovery.there()));
    await discovery.there();
    expect(answers.count('discovery')).toBe(2);
  });

  test('nobody is: a login is told so, and a flood of them asks once a second', async () => {
    const discovery = make();
    await discovery.metadata();
    answers.failing.add('discovery');
    await world.pass(15 * SECOND);
    const before = answers.count('discovery');
    for (let i = 0; i < 100; i++) expect(await outcome(discovery.there())).toBe('ProviderUnavailable unreachable');
    expect(answers.count('discovery')).toBe(before + 1);
    expect(await discovery.metadata()).toEqual(DOCUMENT);
    answers.failing.delete('discovery');
    await world.pass(SECOND);
    await discovery.there();
  });

  test('somebody is who answers nonsense: what was discovered before holds', async () => {
    const discovery = make();
    await discovery.metadata();
    answers.document = { issuer: 'https://other.test' };
    await world.pass(15 * SECOND);
    await discovery.there();
  });
});

describe('a key that is not known', () => {
  test('makes us ask at once, for all that wait; another one within 30 seconds does not', async () => {
    const discovery = make();
    const first = await discovery.keys();
    await world.pass(SECOND);
    const [a, b] = await Promise.all([discovery.newerKeys(first), discovery.newerKeys(first)]);
    expect(a).toBe(b);
    expect(a).not.toBe(first);
    expect(answers.count('keys')).toBe(2);
    for (let second = 0; second < 29; second++) {
      expect(await outcome(discovery.newerKeys(a))).toBe('ProviderUnavailable keys_asked_for_just_now');
      await world.pass(SECOND);
    }
    expect(answers.count('keys')).toBe(2);
    await world.pass(SECOND);
    expect(await outcome(discovery.newerKeys(a))).toBe('fine');
    expect(answers.count('keys')).toBe(3);
  });

  test('right after the keys were fetched, is asked for all the same', async () => {
    const discovery = make();
    const first = await discovery.keys();
    answers.keys = { keys: [{ ...KEY, kid: 'second' }] };
    expect((await discovery.newerKeys(first)).set.keys[0]?.kid).toBe('second');
  });

  test('and that somebody else has fetched meanwhile, needs no question', async () => {
    const discovery = make();
    const first = await discovery.keys();
    const second = await discovery.newerKeys(first);
    expect(await discovery.newerKeys(first)).toBe(second);
    expect(answers.count('keys')).toBe(2);
  });

  test('while the keys cannot be had: nobody can tell, and the old ones stay', async () => {
    const discovery = make();
    const first = await discovery.keys();
    answers.failing.add('keys');
    expect(await outcome(discovery.newerKeys(first))).toBe('ProviderUnavailable unreachable');
    expect(await outcome(discovery.newerKeys(first))).toBe('ProviderUnavailable keys_asked_for_just_now');
    expect(await discovery.keys()).toBe(first);
  });
});

describe('on disk', () => {
  const inFolder = async (body: (file: string, folder: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), 'discovery-'));
    try { await body(join(folder, 'state', 'one.json'), folder); } finally { await rm(folder, { recursive: true }); }
  };
  const filled = async (file: string): Promise<void> => { const discovery = make({ file }); await discovery.metadata(); await discovery.keys(); await discovery.close(); };

  test('it outlives a restart while the provider is down, its keys too; and is renewed when it is back', () => inFolder(async (file) => {
    await filled(file);
    answers.failing.add('discovery').add('keys');
    await world.pass(365 * 24 * 60 * MINUTE);
    const discovery = make({ file });
    expect(await discovery.metadata()).toEqual(DOCUMENT);
    expect((await discovery.keys()).set.keys[0]?.kid).toBe('first');
    answers.failing.clear();
    answers.keys = { keys: [{ ...KEY, kid: 'second' }] };
    await world.pass(MINUTE);
    expect((await discovery.keys()).set.keys[0]?.kid).toBe('second');
    await discovery.close();
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ keys: { keys: [{ kid: 'second' }] } });
  }));

  test('fresh, it spares the provider a question', () => inFolder(async (file) => {
    await filled(file);
    const before = answers.asked.length;
    const discovery = make({ file });
    await discovery.metadata();
    await discovery.keys();
    await world.pass(5 * MINUTE);
    expect(answers.asked.length).toBe(before);
    await discovery.close();
  }));

  test('from a time to come, it serves and is renewed at once', () => inFolder(async (file) => {
    await filled(file);
    const document = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...document, metadataAt: 9e15, keysAt: 9e15 }));
    const before = answers.asked.length;
    const discovery = make({ file });
    await discovery.metadata();
    await world.pass(SECOND);
    expect(answers.asked.length).toBe(before + 2);
    await discovery.close();
  }));

  test('it is the user\'s alone, whole, and nothing is left beside it', () => inFolder(async (file) => {
    await filled(file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(file, '..'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(file, '..'))).toEqual(['one.json']);
  }));

  test.each<readonly [string, (file: string) => Promise<void>]>([
    ['cut short', async (file) => writeFile(file, (await readFile(file, 'utf8')).slice(0, 100))],
    ['empty', async (file) => writeFile(file, '')],
    ['of another issuer', async (file) => writeFile(file, (await readFile(file, 'utf8')).replace('"issuer":"https://idp.test"', '"issuer":"https://evil.test"'))],
    ['with keys in plain text', async (file) => writeFile(file, (await readFile(file, 'utf8')).replace('"jwks_uri":"https:', '"jwks_uri":"http:'))],
    ['without a usable key', async (file) => writeFile(file, (await readFile(file, 'utf8')).replace('"kty":"EC"', '"kty":"oct"'))],
    ['very deep', async (file) => writeFile(file, `{"metadata":${'['.repeat(1000)}${']'.repeat(1000)}}`)],
    ['very large', async (file) => writeFile(file, (await readFile(file, 'utf8')).padEnd(5_000_000))],
    ['that others may write', async (file) => chmod(file, 0o666)],
    ['that is a folder', async (file) => { await rm(file); await mkdir(file); }],
  ])('a file %s is not believed, said, and no harm', (_, spoil) => inFolder(async (file) => {
    await filled(file);
    await spoil(file);
    const before = answers.count('discovery');
    const discovery = make({ file });
    expect(await discovery.metadata()).toEqual(DOCUMENT);
    expect(answers.count('discovery')).toBe(before + 1);
    expect(logged).toContain('warn what was kept of the provider is not usable');
    await discovery.close();
  }));

  test('where nothing can be written, it serves all the same', () => inFolder(async (file, folder) => {
    await writeFile(join(folder, 'state'), 'a file');
    const discovery = make({ file });
    expect(await discovery.metadata()).toEqual(DOCUMENT);
    await discovery.close();
    expect(logged).toContain('warn what is known of the provider cannot be kept');
  }));
});

describe('where the document is', () => {
  test.each([
    ['https://idp.test', 'https://idp.test/.well-known/openid-configuration'],
    ['https://idp.test/', 'https://idp.test/.well-known/openid-configuration'],
    ['https://idp.test/realms/a', 'https://idp.test/realms/a/.well-known/openid-configuration'],
    ['https://idp.test/realms/a/', 'https://idp.test/realms/a/.well-known/openid-configuration'],
    ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/.well-known/openid-configuration'],
    ['http://127.1.2.3', 'http://127.1.2.3/.well-known/openid-configuration'],
    ['http://[::1]:8080', 'http://[::1]:8080/.well-known/openid-configuration'],
    ['http://localhost:8080', 'http://localhost:8080/.well-known/openid-configuration'],
  ])('%s: %s', (issuer, url) => { expect(discoveryUrl(issuer)?.href).toBe(url); });

  test.each(['http://idp.test', 'http://10.0.0.1', 'http://127.0.0.1.evil.test', 'http://localhost.evil.test', 'http://0.0.0.0', 'http://[::ffff:127.0.0.1]', 'https://user:secret@idp.test', 'https://idp.test?x=1', 'https://idp.test#x', 'ftp://idp.test', 'file:///etc/passwd', 'idp.test', '', 'https://'])('%s: nowhere', async (issuer) => {
    expect(discoveryUrl(issuer)).toBeUndefined();
    expect(await outcome(make({ issuer }).metadata())).toBe('ProviderUnavailable issuer_not_https');
    expect(answers.asked).toEqual([]);
  });
});

describe('what is left of a document and of a key set', () => {
  test.each<readonly [string, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>]>([
    ['endpoints in plain text', { token_endpoint: 'http://idp.test/token', authorization_endpoint: 'http://idp.test/auth', end_session_endpoint: 'http://idp.test/end' }, { token_endpoint: undefined, authorization_endpoint: undefined, end_session_endpoint: undefined }],
    ['endpoints on this machine, which listen for others', { token_endpoint: 'http://127.0.0.1:9901/quitquitquit' }, { token_endpoint: undefined }],
    ['endpoints that are none', { token_endpoint: 'javascript:alert(1)', authorization_endpoint: 7, end_session_endpoint: null }, { token_endpoint: undefined, authorization_endpoint: undefined, end_session_endpoint: undefined }],
    ['what we do not ask for', { grant_types_supported: ['x'], __proto__: { a: 1 } }, { grant_types_supported: undefined }],
  ])('%s: gone', (_, more, left) => {
    const metadata = readMetadata({ ...DOCUMENT, ...more }, ISSUER) as Readonly<Record<string, unknown>>;
    for (const [name, value] of Object.entries(left)) expect(metadata[name]).toBe(value);
    expect(metadata['issuer']).toBe(ISSUER);
  });

  test.each<readonly [string, unknown]>([
    ['nothing', {}], ['no array', { keys: {} }], ['no keys', { keys: [] }], ['a shared secret', { keys: [{ kty: 'oct', k: 'AAAA' }] }], ['a private key', { keys: [{ ...KEY, d: 'AAAA' }] }],
    ['keys to encrypt', { keys: [{ ...KEY, use: 'enc' }] }], ['more keys than anybody has', { keys: Array.from({ length: 101 }, () => KEY) }], ['no objects', { keys: ['a'] }],
  ])('%s: no key set', (_, document) => { expect(() => readKeys(document)).toThrow('jwks_invalid'); });

  test('keys that sign, among others', () => { expect(readKeys({ keys: [{ kty: 'oct', k: 'AAAA' }, { ...KEY, use: 'sig' }, { ...KEY, use: 'enc' }] }).keys).toEqual([{ ...KEY, use: 'sig' }]); });
});
