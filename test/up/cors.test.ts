// `cors` of a SecurityPolicy through the whole product: who may call from another origin, what a browser asks first, and that nobody gets past a login by asking.
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ISSUER, goodClaims } from '../cases/jwt.ts';
import { jwks, token } from '../cases/tokens.ts';
import { login } from '../oidc/browser.ts';
import { LoginSite, ORIGIN, type Sent, certificate, forget, httpsGateway, loginRoute } from './login-site.ts';
import { documents, endpoint, httpRoute, securityPolicy } from './manifests.ts';

const PAGE = 'https://page.example.com';
const named = {
  allowOrigins: [PAGE, 'https://*.apps.example.com', 'http://localhost:8080', 'https://*.ported.example.com:8443'],
  allowMethods: ['GET', 'PUT'], allowHeaders: ['authorization', 'x-wanted'], exposeHeaders: ['x-shown', 'x-too'], maxAge: '1h30m', allowCredentials: true,
};
const localJWKS = { type: 'Inline', inline: JSON.stringify(jwks) };
const jwt = { jwt: { providers: [{ name: 'example', issuer: ISSUER, audiences: ['api'], localJWKS }] } };
const ofAlice = { authorization: { defaultAction: 'Deny', rules: [{ action: 'Allow', principal: { jwt: { provider: 'example', claims: [{ name: 'sub', values: ['alice'] }] } } }] } };
const bearer = (sub: string): { authorization: string } => ({ authorization: `Bearer ${token({ ...goodClaims, sub })}` });

/** On the routes of these names, below /<name>. */
const policies: Readonly<Record<string, object>> = {
  tokens: { cors: named, ...jwt, ...ofAlice },
  nobody: { cors: named, authorization: { defaultAction: 'Deny' } },
  alone: { cors: named },
  anybody: { cors: { allowOrigins: ['*'], allowMethods: ['*'], allowHeaders: ['x-a', '*'] } },
  secure: { cors: { allowOrigins: ['https://*'] } },
  none: { cors: {} },
  closed: { cors: { ...named, allowOrigins: ['www.example.com'] } },
  changing: { cors: { allowOrigins: [PAGE] } },
};

let site: LoginSite;
let app: Server;
beforeAll(async () => {
  app = createServer((_, response) => { response.writeHead(200, { 'access-control-allow-origin': 'https://of-the-app.example.com', 'access-control-expose-headers': 'x-app', vary: 'Accept-Encoding' }).end('the app'); });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  site = await LoginSite.start(({ provider }) => {
    provider.client('login', [`${ORIGIN}/login/callback`]);
    return {
      'all.yaml': [
        httpsGateway(), ...endpoint((app.address() as AddressInfo).port, 'app'), httpRoute('untouched'),
        ...Object.entries(policies).filter(([name]) => name !== 'changing').flatMap(([name, policy]) => [httpRoute(name), securityPolicy(name, policy)]),
        // Two rules for one path: what may be read by others, and what may not.
        httpRoute('reading', [{ path: { value: '/methods' }, method: 'GET' }]), securityPolicy('reading', { cors: { ...named, allowMethods: ['GET'] }, ...jwt }),
        httpRoute('writing', [{ path: { value: '/methods' }, method: 'PUT' }, { path: { value: '/methods' }, method: 'POST' }]), securityPolicy('writing', { ...jwt }),
        httpRoute('app', undefined, { backend: 'app' }), securityPolicy('app', { cors: named }),
        ...loginRoute('login', provider.issuer, { security: { cors: named }, more: { passPreflight: true } }),
        ...loginRoute('unreachable', 'http://127.0.0.1:1', { security: { cors: named } }),
      ],
      'changing.yaml': [httpRoute('changing'), securityPolicy('changing', policies['changing'] ?? {})],
    };
  }, { provider: { tls: certificate } });
});
afterAll(async () => {
  await site?.stop();
  app?.close();
});

const preflight = (name: string, origin: string, more: Readonly<Record<string, string>> = {}): Promise<Sent> =>
  site.send(`/${name}/x`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'PUT', ...more } });
const ofCors = ({ headers }: Sent): Record<string, unknown> => Object.fromEntries(Object.entries(headers).filter(([header]) => header.startsWith('access-control-')).map(([header, value]) => [header.slice(15), value]));
const ANSWER = { 'allow-origin': PAGE, 'allow-credentials': 'true', 'expose-headers': 'x-shown, x-too' };
const script = { 'sec-fetch-mode': 'cors' };
/** Runs it; how many requests reached the backend, and the login service. */
async function reaching(run: () => Promise<unknown>): Promise<[backend: number, service: number]> {
  const before = [site.seen.length, await site.asked()] as const;
  await run();
  return [site.seen.length - before[0], await site.asked() - before[1]];
}

describe('a preflight', () => {
  test.each(['login', 'unreachable', 'tokens', 'nobody', 'alone'])('is answered by Envoy alone, without a session or a token: %s', async (name) => {
    expect(await reaching(async () => {
      const sent = await preflight(name, PAGE, { 'access-control-request-headers': 'x-wanted' });
      expect([sent.status, sent.body, ofCors(sent)]).toEqual([200, '', { ...ANSWER, 'allow-methods': 'GET, PUT', 'allow-headers': 'authorization, x-wanted', 'max-age': '5400' }]);
    })).toEqual([0, 0]);
  });

  test.each(['login', 'unreachable', 'tokens', 'nobody', 'alone', 'none'])('of another origin is told nothing that a browser goes by, and reaches nobody: %s', async (name) => {
    expect(await reaching(async () => {
      const sent = await preflight(name, 'https://evil.example.com');
      expect([sent.status, sent.body]).toEqual([200, '']);
      expect(sent.headers).not.toHaveProperty('access-control-allow-origin');
    })).toEqual([0, 0]);
  });

  test('where * allows all there is: what is asked for, for any page, sandboxed ones too; and without credentials', async () => {
    for (const origin of [PAGE, 'https://evil.example.com', 'http://10.0.0.1:81', 'null']) {
      expect(ofCors(await preflight('anybody', origin, { 'access-control-request-headers': 'x-b, x-c' }))).toEqual({ 'allow-origin': origin, 'allow-methods': 'PUT', 'allow-headers': 'x-b, x-c' });
    }
  });

  test('finds a rule for some methods by the method that it asks for, and nothing else finds it so', async () => {
    const asks = (method: string, origin = PAGE): Promise<Sent> => preflight('methods', origin, { 'access-control-request-method': method });
    expect(await reaching(async () => {
      expect(ofCors(await asks('GET'))).toMatchObject({ 'allow-origin': PAGE, 'allow-methods': 'GET' });
      expect((await asks('GET', 'https://evil.example.com')).headers).not.toHaveProperty('access-control-allow-origin');
      for (const method of ['PUT', 'POST', 'DELETE', 'get', 'GET, PUT']) expect([(await asks(method)).status, ofCors(await asks(method))]).toEqual([404, {}]);
      for (const headers of [{}, { origin: PAGE }, { origin: '', 'access-control-request-method': 'GET' }]) expect((await site.send('/methods/x', { method: 'OPTIONS', headers: { ...headers, ...bearer('alice') } })).status).toBe(404);
    })).toEqual([0, 0]);
    const sent = await site.send('/methods/x', { headers: { origin: PAGE, ...bearer('alice') } });
    expect([sent.status, ofCors(sent)]).toEqual([200, ANSWER]);
  });

  test('on a route that is closed gets its 500, and on one without cors the backend answers it', async () => {
    const sent = await preflight('closed', PAGE);
    expect([sent.status, ofCors(sent)]).toEqual([500, {}]);
    expect(await reaching(() => preflight('untouched', PAGE))).toEqual([1, 0]);
  });

  test.each<[string, string, Readonly<Record<string, string>>]>([
    ['OPTIONS without Origin', 'OPTIONS', { 'access-control-request-method': 'PUT' }], ['OPTIONS with an empty Origin', 'OPTIONS', { origin: '', 'access-control-request-method': 'PUT' }],
    ['OPTIONS that asks for no method', 'OPTIONS', { origin: PAGE }], ['OPTIONS that asks for an empty one', 'OPTIONS', { origin: PAGE, 'access-control-request-method': '' }],
    ['another method', 'POST', { origin: PAGE, 'access-control-request-method': 'PUT' }],
    ['OPTIONS in another header', 'GET', { origin: PAGE, 'access-control-request-method': 'PUT', 'x-http-method-override': 'OPTIONS', 'x-envoy-original-method': 'OPTIONS' }],
  ])('is nothing else: %s needs what every request needs', async (_, method, headers) => {
    for (const [name, refused] of [['unreachable', 401], ['tokens', 401], ['nobody', 403]] as const) {
      expect(await reaching(async () => { expect((await site.send(`/${name}/x`, { method, headers: { ...script, ...headers } })).status).toBe(refused); })).toEqual([0, name === 'unreachable' ? 1 : 0]);
    }
  });
});

describe('a request from another origin', () => {
  test('needs its login, and the page may read that it does', async () => {
    const refused = await site.send('/unreachable/x', { headers: { ...script, origin: PAGE } });
    expect([refused.status, ofCors(refused)]).toEqual([401, ANSWER]);
    const sent = await site.send('/login/x', { headers: { origin: PAGE, accept: 'text/html', 'sec-fetch-mode': 'navigate' } });
    expect([sent.status, ofCors(sent)]).toEqual([302, ANSWER]);
  });

  test('passes with a session, whether the service is asked or Envoy knows', async () => {
    const browser = site.browser();
    await login(browser, `${ORIGIN}/login/x`);
    const page = async (): Promise<unknown> => {
      const { status, headers } = await browser.open(new URL(`${ORIGIN}/login/data`), { redirects: 0, headers: { origin: PAGE } });
      return [status, ofCors({ status, headers, body: '' })];
    };
    expect(await reaching(async () => { expect(await page()).toEqual([200, ANSWER]); })).toEqual([1, 0]);
    forget(browser);
    expect(await reaching(async () => { expect(await page()).toEqual([200, ANSWER]); })).toEqual([1, 1]);
  });

  test.each<[string, string, object, number]>([
    ['without a token', 'tokens', {}, 401], ['with one that is none', 'tokens', { authorization: 'Bearer x' }, 401], ['with somebody else\'s', 'tokens', bearer('bob'), 403], ['with a token', 'tokens', bearer('alice'), 200],
    ['where nobody may', 'nobody', {}, 403], ['where anybody may', 'alone', {}, 200],
  ])('%s: %s', async (_, name, headers, status) => {
    const sent = await site.send(`/${name}/x`, { headers: { origin: PAGE, ...headers } });
    expect([sent.status, ofCors(sent)]).toEqual([status, ANSWER]);
    const other = await site.send(`/${name}/x`, { headers: { origin: 'https://evil.example.com', ...headers } });
    expect([other.status, ofCors(other)]).toEqual([status, {}]);
  });

  test('is answered for its origin, whatever the app says; for origins that are not named the app speaks for itself', async () => {
    expect(ofCors(await site.send('/app/x', { headers: { origin: PAGE } }))).toEqual(ANSWER);
    expect(ofCors(await site.send('/app/x', { headers: { origin: 'https://of-the-app.example.com' } }))).toEqual({ 'allow-origin': 'https://of-the-app.example.com', 'expose-headers': 'x-app' });
  });

  test('caches keep its answer for its origin, and so the answer to a request without one', async () => {
    for (const headers of [{ origin: PAGE }, {}]) expect((await site.send('/app/x', { headers })).headers.vary).toBe('Accept-Encoding,Origin');
    expect((await site.send('/untouched/x')).headers).not.toHaveProperty('vary');
  });
});

describe('an origin', () => {
  const allowed = async (name: string, origin: string): Promise<boolean> => {
    const [asked, sent] = [await preflight(name, origin), await site.send(`/${name}/x`, { headers: { origin } })];
    expect(ofCors(asked)['allow-origin']).toBe(ofCors(sent)['allow-origin']);
    expect([origin, undefined]).toContain(ofCors(sent)['allow-origin']);
    return ofCors(sent)['allow-origin'] === origin;
  };

  test.each([PAGE, 'http://localhost:8080', 'https://a.apps.example.com', 'https://a.b.apps.example.com', 'https://x_y-1.apps.example.com', 'https://xn--bcher-kva.apps.example.com', 'https://a.ported.example.com:8443'])('that is named: %s', async (origin) => {
    expect(await allowed('alone', origin)).toBe(true);
  });

  test.each([
    'null', '*', 'https://*', 'https://*.apps.example.com', 'https://page.example.com.', 'https://page.example.com:443', 'https://page.example.com/', 'https://page.example.com.evil.com', 'https://evil.com/https://page.example.com', 'HTTPS://page.example.com', 'https://PAGE.example.com',
    'http://page.example.com', 'http://localhost', 'http://localhost:80801', 'https://localhost:8080', 'https://page-example.com', 'https://pagexexample.com', `${PAGE}, https://evil.com`, `https://evil.com,${PAGE}`, `${PAGE} https://evil.com`,
    'https://apps.example.com', 'https://.apps.example.com', 'https://a..apps.example.com', 'https://evilapps.example.com', 'https://a.appsxexample.com', 'https://a.apps.example.com.evil.com', 'https://a.apps.example.com:8443', 'http://a.apps.example.com', 'https://a.apps.example.com%00.evil.com',
    'https://evil.com?.apps.example.com', 'https://evil.com#.apps.example.com', 'https://evil.com/.apps.example.com', 'https://evil.com\\.apps.example.com', 'https://evil.com:80.apps.example.com', 'https://evil@a.apps.example.com', 'https://evil.com;.apps.example.com', 'https://evil.com .apps.example.com',
    'https://evil.com%2f.apps.example.com', 'https://[::1].apps.example.com', 'https://evil.com,https://a.apps.example.com', 'https://a.ported.example.com', 'https://a.ported.example.com:18443', 'https://a.ported.example.com:84430', 'https://a.ported.example.comx8443',
  ])('that is not: %s', async (origin) => {
    expect(await allowed('alone', origin)).toBe(false);
  });

  test.each([['https://evil.com', true], ['https://evil.com:8443', true], ['https://[2001:db8::1]:8443', true], ['https://10.0.0.1', true], ['http://evil.com', false], ['null', false], ['https://', false], ['https://a?b', false], ['https://a:b', false], ['https://a b', false], ['*', false]] as const)('of any https page: %s %s', async (origin, is) => {
    expect(await allowed('secure', origin)).toBe(is);
  });

  test('sent twice is none', async () => {
    const { headers } = await site.send('/alone/x', { headers: { origin: [PAGE, PAGE] } });
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  test('that is added later is in force with the file, and no listener is touched', async () => {
    const now = 'https://later.example.com';
    expect(await allowed('changing', now)).toBe(false);
    await site.gatewright.replace('changing.yaml', documents(httpRoute('changing'), securityPolicy('changing', { cors: { allowOrigins: [PAGE, now] } })));
    expect(await allowed('changing', now)).toBe(true);
    await site.gatewright.replace('changing.yaml', documents(httpRoute('changing')));
    expect(await allowed('changing', PAGE)).toBe(false);
    expect(await site.gatewright.stat('listener_manager.listener_modified')).toBe(0);
  });
});
