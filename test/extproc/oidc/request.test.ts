import { describe, expect, test } from 'vitest';
import { HeaderList } from '../../../extproc/header-list.ts';
import { facts, fromElsewhere, otherHost, redirectUri } from '../../../extproc/oidc/request.ts';
import { returnTo, safeDestination, safeReturn } from '../../../extproc/oidc/return-to.ts';

const asked = (headers: Record<string, string>) => facts(HeaderList.of(Object.entries({ ':method': 'GET', ':path': '/', ':authority': 'www.example.com', ...headers })));

describe('what a request is for', () => {
  test.each<[purpose: string, headers: Record<string, string>]>([
    ['navigation', { 'sec-fetch-mode': 'navigate', accept: 'text/html' }],
    ['navigation', { 'sec-fetch-mode': 'navigate', ':method': 'POST', 'content-type': 'application/x-www-form-urlencoded' }],
    ['navigation', { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }],
    ['navigation', { accept: '*/*' }],
    ['navigation', {}],
    ['navigation', { ':method': 'HEAD' }],
    ['background', { 'sec-fetch-mode': 'cors', accept: 'text/html' }],
    ['background', { 'sec-fetch-mode': 'no-cors', accept: 'image/avif,*/*' }],
    ['background', { 'sec-fetch-mode': 'navigate', 'sec-purpose': 'prefetch;prerender' }],
    ['background', { purpose: 'prefetch', accept: 'text/html' }],
    ['background', { 'x-requested-with': 'XMLHttpRequest', accept: '*/*' }],
    ['background', { accept: 'application/json, text/plain, */*' }],
    ['background', { accept: 'text/event-stream' }],
    ['background', { accept: 'application/json' }],
    ['background', { ':method': 'POST', accept: '*/*' }],
    ['background', { ':method': 'PUT', accept: 'text/html', 'sec-fetch-mode': 'navigate' }],
    ['background', { ':method': 'DELETE' }],
    ['background', { upgrade: 'websocket', accept: 'text/html' }],
    ['background', { upgrade: 'websocket', 'sec-fetch-mode': 'navigate' }],
    ['background', { ':method': 'POST', 'content-type': 'application/grpc+proto', accept: 'text/html' }],
    ['background', { ':method': 'OPTIONS', origin: 'https://a.test' }],
    ['preflight', { ':method': 'OPTIONS', origin: 'https://a.test', 'access-control-request-method': 'GET' }],
    ['background', { ':method': 'GET', origin: 'https://a.test', 'access-control-request-method': 'GET', 'sec-fetch-mode': 'cors' }],
  ])('%s: %j', (purpose, headers) => { expect(asked(headers).purpose).toBe(purpose); });

  test('the path is without the query', () => {
    expect(asked({ ':path': '/a/b?c=d?e' })).toMatchObject({ path: '/a/b', query: 'c=d?e' });
    expect(asked({ ':path': '/a' })).toMatchObject({ path: '/a', query: '' });
  });
});

describe('after the login a browser goes on', () => {
  test.each(['/', '/a', '/a/b?c=d&e=%2F', '/a?next=https://evil.test/', '/@evil.test', '/a//b'])('to %s', (target) => { expect(safeReturn(target)).toBe(target); });
  test.each(['', 'a', '//evil.test', '/\\evil.test', '\\\\evil.test', '/\t/evil.test', '/\n/evil.test', '/a\\b', 'https://evil.test', 'javascript:alert(1)', '/a b', '/ä', '/a\u0000', `/${'a'.repeat(2048)}`, ' /a'])(
    'not to %j', (target) => { expect(safeReturn(target)).toBe('/'); });

  test.each<[target: string, to: string]>([
    ['/a', '/a'], ['https://other.example.com:8443/a?b', 'https://other.example.com:8443/a?b'], ['https://example.com/', 'https://example.com/'], ['https://evil.test/a', '/'], ['https://example.com.evil.test/', '/'], ['https://notexample.com/', '/'],
    ['http://other.example.com/', '/'], ['https://other.example.com//evil.test', 'https://other.example.com/'], ['https://u:p@other.example.com/a', 'https://other.example.com/a'], ['https://evil.test\\@other.example.com/', '/'], ['javascript://other.example.com/%0aalert(1)', '/'], ['//other.example.com/', '/'],
  ])('of hosts that share the cookies: %j leads to %s', (target, to) => {
    expect(safeDestination(target, { redirectUrl: 'https://www.example.com/callback', cookies: { sameSite: 'Lax', domain: 'example.com' } })).toBe(to);
    expect(safeDestination(target, { redirectUrl: 'https://%REQ(:authority)%/callback', cookies: { sameSite: 'Lax' } })).toBe(target.startsWith('/a') ? target : '/');
  });

  test.each<[path: string, headers: Record<string, string>]>([
    ['/deep?link=1', { ':path': '/deep?link=1' }],
    ['/form?id=3', { ':method': 'POST', ':path': '/submit', referer: 'https://www.example.com/form?id=3#x' }],
    ['/', { ':method': 'POST', ':path': '/submit' }],
    ['/', { ':method': 'POST', ':path': '/submit', referer: 'https://evil.test/form' }],
    ['/', { ':method': 'POST', ':path': '/submit', referer: 'not a url' }],
    ['/', { ':path': '//evil.test' }],
  ])('to %s: %j', (path, headers) => { expect(returnTo(asked(headers))).toBe(path); });
});

describe('of another origin', () => {
  test.each<[elsewhere: boolean, headers: Record<string, string>]>([
    [false, { 'sec-fetch-site': 'same-origin' }], [false, { 'sec-fetch-site': 'none' }], [false, {}],
    [false, { origin: 'https://www.example.com' }], [false, { referer: 'https://WWW.example.com/a' }],
    [true, { 'sec-fetch-site': 'cross-site' }], [true, { 'sec-fetch-site': 'same-site' }], [true, { 'sec-fetch-site': 'cross-site', origin: 'https://www.example.com' }],
    [true, { origin: 'https://evil.test' }], [true, { origin: 'null' }], [true, { referer: 'https://evil.test/www.example.com' }], [true, { origin: 'https://www.example.com.evil.test' }],
  ])('%s: %j', (elsewhere, headers) => { expect(fromElsewhere(asked(headers))).toBe(elsewhere); });
});

describe('the callback', () => {
  const any = { redirectUrl: 'https://%REQ(:authority)%/oauth2/callback' };
  test.each(['www.example.com', 'www.example.com:8443', '127.0.0.1:10080', '[::1]:8443', 'a_b.test'])('is at %s', (authority) => { expect(redirectUri(any, { authority })).toBe(`https://${authority}/oauth2/callback`); });
  test.each(['', 'a/b', 'a@b', 'a?b', 'a#b', 'a b', 'a\\b', 'a:b', 'a:123456', 'ä.test'])('is not at %j', (authority) => { expect(redirectUri(any, { authority })).toBeUndefined(); });
  test('is where it is said to be', () => { expect(redirectUri({ redirectUrl: 'https://a.test/cb' }, { authority: 'evil.test' })).toBe('https://a.test/cb'); });

  const fixed = { redirectUrl: 'https://www.example.com:8443/oauth2/callback', cookies: { sameSite: 'Lax' as const } };
  test.each<[other: string | undefined, authority: string, domain?: string]>([
    [undefined, 'www.example.com'], [undefined, 'www.example.com:10443'], [undefined, 'WWW.EXAMPLE.COM'],
    ['https://www.example.com:8443', 'example.com'], ['https://www.example.com:8443', 'evil.test'], ['https://www.example.com:8443', ''],
    [undefined, 'app.example.com', 'example.com'], ['https://www.example.com:8443', 'app.example.org', 'example.com'], ['https://www.example.com:8443', 'badexample.com', 'example.com'],
  ])('needs %s first, from %s (cookies of %s)', (other, authority, domain) => {
    expect(otherHost({ ...fixed, cookies: { ...fixed.cookies, ...(domain === undefined ? {} : { domain }) } }, { authority })).toBe(other);
  });
});
