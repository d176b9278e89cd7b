// The browser without a screen does with cookies, redirects and forms what browsers do: other tests rely on what it refuses.
import { describe, expect, test } from 'vitest';
import { CookieJar, site } from './cookie-jar.ts';
import { Browser, login } from './browser.ts';
import { TestProvider } from './provider.ts';

const HTTPS = new URL('https://www.example.com/app/page');
const HTTP = new URL('http://www.example.com/app/page');
const HERE = { crossSite: false, safeNavigation: true };

describe('what is taken', () => {
  test.each<readonly [string, string, URL, string]>([
    ['a plain cookie', 'a=1', HTTP, 'a=1'],
    ['an empty one', 'a=', HTTP, 'a='],
    ['Secure over TLS', 'a=1; Secure', HTTPS, 'a=1'],
    ['Secure without TLS', 'a=1; Secure', HTTP, ''],
    ['__Secure- with Secure', '__Secure-a=1; Secure', HTTPS, '__Secure-a=1'],
    ['__Secure- without Secure', '__Secure-a=1', HTTPS, ''],
    ['__Host- as it should be', '__Host-a=1; Secure; Path=/', HTTPS, '__Host-a=1'],
    ['__Host- without Path', '__Host-a=1; Secure', new URL('https://www.example.com/'), ''],
    ['__Host- of a path', '__Host-a=1; Secure; Path=/app', HTTPS, ''],
    ['__Host- with Domain', '__Host-a=1; Secure; Path=/; Domain=www.example.com', HTTPS, ''],
    ['__Host- without Secure', '__Host-a=1; Path=/', HTTPS, ''],
    ['the domain above', 'a=1; Domain=example.com', HTTPS, 'a=1'],
    ['a domain of others', 'a=1; Domain=evil.com', HTTPS, ''],
    ['a domain that ends alike', 'a=1; Domain=ample.com', HTTPS, ''],
    ['a top-level domain', 'a=1; Domain=com', HTTPS, ''],
    ['SameSite=None without Secure', 'a=1; SameSite=None', HTTPS, ''],
    ['4096 bytes', `a=${'x'.repeat(4095)}`, HTTPS, `a=${'x'.repeat(4095)}`],
    ['4097 bytes', `a=${'x'.repeat(4096)}`, HTTPS, ''],
    ['control characters', 'a=1\x01', HTTPS, ''],
    ['gone at once', 'a=1; Max-Age=0', HTTPS, ''],
    ['gone long ago', 'a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT', HTTPS, ''],
    ['a path of others', 'a=1; Path=/other', HTTPS, ''],
    ['a path that begins alike', 'a=1; Path=/ap', HTTPS, ''],
    ['the path above', 'a=1; Path=/app', HTTPS, 'a=1'],
  ])('%s', (_, header, url, sent) => {
    const jar = new CookieJar();
    jar.take(header, url);
    expect(jar.header(url, HERE)).toBe(sent);
  });

  test('another of the same name, domain and path replaces it; a later end is kept, and comes', () => {
    let now = 0;
    const jar = new CookieJar(() => now);
    jar.take('a=1; Path=/', HTTPS);
    jar.take('a=2; Path=/; Max-Age=60', HTTPS);
    expect(jar.header(HTTPS, HERE)).toBe('a=2');
    now = 60_000;
    expect(jar.header(HTTPS, HERE)).toBe('');
  });

  test('without TLS nobody replaces one that is Secure', () => {
    const jar = new CookieJar();
    jar.take('a=1; Secure; Path=/', HTTPS);
    jar.take('a=2; Path=/', HTTP);
    expect(jar.header(HTTPS, HERE)).toBe('a=1');
  });

  test('180 of a host at most', () => {
    const jar = new CookieJar();
    for (let i = 0; i < 200; i++) jar.take(`a${i}=1; Path=/`, HTTPS);
    expect(jar.cookies.length).toBe(180);
    expect(jar.cookies[0]?.name).toBe('a20');
  });
});

describe('where it is sent', () => {
  test.each<readonly [string, string, string, Partial<typeof HERE>, boolean]>([
    ['another port', 'a=1; Path=/', 'https://www.example.com:8443/', {}, true],
    ['another host', 'a=1; Path=/', 'https://api.example.com/', {}, false],
    ['another host of the domain', 'a=1; Path=/; Domain=example.com', 'https://api.example.com/', {}, true],
    ['without TLS', 'a=1; Path=/; Secure', 'http://www.example.com/', {}, false],
    ['from another site, by a link: Lax', 'a=1; Path=/; SameSite=Lax', 'https://www.example.com/', { crossSite: true }, true],
    ['from another site, by a link: none said', 'a=1; Path=/', 'https://www.example.com/', { crossSite: true }, true],
    ['from another site, by a link: Strict', 'a=1; Path=/; SameSite=Strict', 'https://www.example.com/', { crossSite: true }, false],
    ['from another site, by a form: Lax', 'a=1; Path=/; SameSite=Lax', 'https://www.example.com/', { crossSite: true, safeNavigation: false }, false],
    ['from another site, by a form: None', 'a=1; Path=/; SameSite=None; Secure', 'https://www.example.com/', { crossSite: true, safeNavigation: false }, true],
  ])('%s', (_, header, to, context, sent) => {
    const jar = new CookieJar();
    jar.take(header, HTTPS);
    expect(jar.header(new URL(to), { ...HERE, ...context })).toBe(sent ? 'a=1' : '');
  });

  test('a site is scheme and registrable domain', () => {
    expect(['https://a.example.com:1/x', 'https://example.com', 'http://example.com', 'https://127.0.0.1:8'].map((text) => site(new URL(text)))).toEqual(['https://example.com', 'https://example.com', 'http://example.com', 'https://127.0.0.1']);
  });
});

test('the provider logs in by its form, remembers it, and logs out by another', async () => {
  const idp = await TestProvider.start({ login: 'form' });
  const redirectUri = 'http://127.0.0.1:1/callback';
  idp.client('app', [redirectUri]);
  const browser = new Browser();
  const address = `${idp.issuer}/auth?${new URLSearchParams({ client_id: 'app', redirect_uri: redirectUri, response_type: 'code', scope: 'openid', state: 's', code_challenge: 'c'.repeat(43), code_challenge_method: 'S256' })}`;
  const refused = async (opened: Promise<unknown>): Promise<string> => opened.then(() => '', (error: unknown) => `${(error as { readonly code?: string }).code}`);
  expect(await refused(login(browser, address, 'carol'))).toBe('ECONNREFUSED');   // back at the client, which is not there
  const again = await browser.open(address, { redirects: 0 });
  expect(new URL(`${again.headers['location']}`).searchParams.has('code')).toBe(true);
  const out = await browser.open(`${idp.issuer}/session/end?client_id=app`);
  expect(out.body).toContain('Log out?');
  expect((await browser.submit(out)).body).toContain('You are logged out.');
  expect((await browser.open(address)).body).toContain('<input name="user"');
  await browser.close();
  await idp.stop();
});
