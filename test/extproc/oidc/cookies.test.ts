// Cookie headers as browsers, neighbours and attackers send them.
import { describe, expect, test } from 'vitest';
import { type Cookie, readCookies, setCookie, withoutOurs } from '../../../extproc/oidc/cookies.ts';

describe('the Cookie header', () => {
  test.each<[string, string | undefined, Record<string, string>]>([
    ['is not there', undefined, {}],
    ['is empty', '', {}],
    ['has one', 'a=1', { a: '1' }],
    ['has several, and white space', ' a=1;b=2 ;\tc = 3 ', { a: '1', b: '2', c: '3' }],
    ['has values with equals signs', 'a=b=c==', { a: 'b=c==' }],
    ['has quotes, which are part of the value', 'a="1"', { a: '"1"' }],
    ['has an empty value', 'a=', { a: '' }],
    ['has one without a name', '=a; b=2', { '': 'a', 'b': '2' }],
    ['has one without an equals sign', 'a; b=2', { b: '2' }],
    ['has nothing but separators', ';;; ; =;', { '': '' }],
    ['has the same twice: that is one', 'a=1; b=2; a=1', { a: '1', b: '2' }],
    ['has one twice with different values: that is none', 'a=1; b=2; a=evil', { b: '2' }],
    ['has one twice, and again as it was', 'a=1; a=evil; a=1', {}],
    ['has names of Object', '__proto__=1; constructor=2; toString=3', { ['__proto__']: '1', 'constructor': '2', 'toString': '3' }],
    ['has names that differ in case', 'a=1; A=2', { a: '1', A: '2' }],
    ['is not text', '\u0000=\uffff; \ud800=1', { '\u0000': '\uffff', '\ud800': '1' }],
    ['has other white space than there is, which is part of the name', '\u00a0a=1', { '\u00a0a': '1' }],
  ])('%s', (_, header, cookies) => { expect([...readCookies(header)]).toEqual(Object.entries(cookies).length === 0 ? [] : Object.keys(cookies).map((name) => [name, cookies[name]])); });

  test('with more cookies than any browser sends has none: the second of two could be what is cut off', () => {
    expect(readCookies(Array.from({ length: 1000 }, (_, i) => `a${i}=1`).join(';')).size).toBe(1000);
    expect(readCookies(Array.from({ length: 1001 }, (_, i) => `a${i}=1`).join(';')).size).toBe(0);
    expect(readCookies(`a=1; b=${'x'.repeat(262_144)}`).size).toBe(0);
  });

  test.each([
    ['spaces in the middle of a value', `a=1${' '.repeat(1_000_000)}x`], ['semicolons', ';'.repeat(1_000_000)], ['equals signs', '='.repeat(1_000_000)], ['spaces', ' '.repeat(1_000_000)],
  ])('with %s takes time in proportion to its length', (_, header) => {
    // A quadratic one takes many minutes.
    expect(readCookies(header.slice(0, 200_000)).size).toBeLessThanOrEqual(1);
    expect(withoutOurs(`gatewright-x=1; ${header}`) ?? '').not.toContain('gatewright');
  });
});

describe('to the upstream', () => {
  test.each<[string, string | undefined, string | undefined]>([
    ['nothing stays nothing', undefined, undefined],
    ['what has none of ours is left as it is', ' a=1;b=2', ' a=1;b=2'],
    ['ours alone leave nothing', '__Host-gatewright-session-abcdefghij=x', undefined],
    ['ours go, wherever they are', '__Host-gatewright-session-a=x; a=1; __Secure-gatewright-assertion-a=y; b=2; gatewright-login-a=z', 'a=1; b=2'],
    ['chunks go', 'gatewright-session-a=2~x; gatewright-session-a.1=y; a=1', 'a=1'],
    ['those of other policies go', '__Host-gatewright-session-zzzzzzzzzz=x; a=1', 'a=1'],
    ['white space does not hide them', '\t __Host-gatewright-session-a\t=x ;a=1', 'a=1'],
    ['those without a value go', 'gatewright-; gatewright-x; a=1', 'a=1'],
    ['twice is not too often', 'gatewright-a=1; gatewright-a=2; a=1', 'a=1'],
    ['one that only has the name in its value stays', 'a=__Host-gatewright-session', 'a=__Host-gatewright-session'],
    ['one whose name only ends like ours stays', 'my-gatewright-session=1; gatewright-x=2', 'my-gatewright-session=1'],
    ['quotes protect none', 'a="1; __Host-gatewright-session-a=x; "', 'a="1; "'],
    ['empty ones go with them', ';; gatewright-x=1;;', undefined],
  ])('%s', (_, header, left) => { expect(withoutOurs(header)).toBe(left); });
});

describe('Set-Cookie', () => {
  const cookie: Cookie = { name: '__Host-gatewright-session-a', value: 'x', maxAgeMs: 90_000, secure: true, sameSite: 'Lax' };
  test.each<[string, Partial<Cookie>, string]>([
    ['is for the host and not for scripts', {}, '__Host-gatewright-session-a=x; Path=/; Max-Age=90; HttpOnly; Secure; SameSite=Lax'],
    ['is for a domain', { name: 'a', domain: 'app.test' }, 'a=x; Path=/; Domain=app.test; Max-Age=90; HttpOnly; Secure; SameSite=Lax'],
    ['is for a path', { path: '/callback' }, '__Host-gatewright-session-a=x; Path=/callback; Max-Age=90; HttpOnly; Secure; SameSite=Lax'],
    ['is for plain http', { secure: false, sameSite: 'Strict' }, '__Host-gatewright-session-a=x; Path=/; Max-Age=90; HttpOnly; SameSite=Strict'],
    ['deletes, with the attributes that browsers want of its prefix', { value: '', maxAgeMs: 0 }, '__Host-gatewright-session-a=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax'],
    ['is not there for less than a second by mistake', { maxAgeMs: 1 }, '__Host-gatewright-session-a=x; Path=/; Max-Age=1; HttpOnly; Secure; SameSite=Lax'],
    ['of the past deletes', { maxAgeMs: -5000 }, '__Host-gatewright-session-a=x; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax'],
  ])('%s', (_, more, line) => { expect(setCookie({ ...cookie, ...more })).toBe(line); });

  test.each<[string, Partial<Cookie>]>([
    ['a value with an attribute', { value: 'x; Domain=evil.test' }], ['a value with a line', { value: 'x\r\nset-cookie: a=b' }], ['a value with quotes', { value: '"x"' }], ['a value that is not ASCII', { value: 'ü' }],
    ['a name with an equals sign', { name: 'a=b' }], ['no name', { name: '' }], ['a path with an attribute', { path: '/; Domain=evil.test' }], ['a path that is none', { path: 'callback' }], ['a domain with an attribute', { domain: 'a.test; Path=/b' }],
  ])('is not made of %s, and the message has none of it', (_, more) => { expect(() => setCookie({ ...cookie, ...more })).toThrow(/^not a(n attribute of a)? cookie$/); });
});
