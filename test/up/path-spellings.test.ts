// A protected path beside an open one: however the path is spelt, and by whatever protocol, what the backend would read as /foo needs a token.
import { type OutgoingHttpHeaders, connect } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goodClaims, policies } from '../cases/jwt.ts';
import { token } from '../cases/tokens.ts';
import { Gatewright } from './gatewright.ts';
import { documents, endpoint, gateway, gatewayClass, httpRoute, securityPolicy } from './manifests.ts';
import { type RawAnswer, exchange } from './raw.ts';
import { type Recorded, Recorder } from './recorder.ts';

let backend: Recorder;
let gatewright: Gatewright;
beforeAll(async () => {
  backend = await Recorder.start();
  gatewright = await Gatewright.start({
    'all.yaml': documents(
      gatewayClass, gateway(), ...endpoint(backend.port),
      httpRoute('foo'), securityPolicy('foo', policies.plain), httpRoute('rest', [{ path: { value: '/' } }]),
      httpRoute('neighbour', [{ path: { value: '/' } }], { hostnames: ['open.example.com'] }),
    ),
  }, { echo: false });
});
afterAll(async () => {
  await gatewright?.stop();
  await backend?.stop();
});

/** As a forgiving backend reads a path: decoded, backslashes as slashes, cut at a NUL, slashes merged, dots resolved; case is kept. */
function read(target: string): string {
  const path = target.replace(/^https?:\/\/[^/]*/i, '').replace(/[?#].*/s, '');
  const decoded = path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))).replaceAll('\\', '/').replace(/\0.*/s, '').trimEnd();
  const out: string[] = [];
  for (const part of decoded.split('/')) {
    if (part === '..') out.pop();
    else if (part !== '' && part !== '.') out.push(part);
  }
  return `/${out.join('/')}`;
}
const isProtectedPath = (target: string): boolean => /^\/foo(\/|$)/.test(read(target));
const isProtected = ({ target, headers }: Recorded): boolean => isProtectedPath(target) && String(headers['host']).toLowerCase().replace(/\.?(:\d+)?$/, '') === 'www.example.com';

const good = token(goodClaims);
const BEARER = `Authorization: Bearer ${good}\r\n`;
const get = (target: string, more = ''): string => `GET ${target} HTTP/1.1\r\nHost: www.example.com\r\n${more}Connection: close\r\n\r\n`;

/** What becomes of a request: 401; 307 to there; that status; 200 with the backend seeing this target. */
type Fate = 'needs a token' | { readonly redirected: string } | { readonly refused: number } | { readonly open: string };
const needsToken = (...targets: string[]): [string, Fate][] => targets.map((target) => [target, 'needs a token']);
const redirected = (target: string, to: string): [string, Fate] => [target, { redirected: to }];
const refused = (...targets: string[]): [string, Fate][] => targets.map((target) => [target, { refused: 400 }]);
const open = (target: string, seen = target): [string, Fate] => [target, { open: seen }];

/** Spellings of the protected path. */
const spellings = [
  ...needsToken(
    '/foo', '/foo/', '/foo//', '/foo/bar', '//foo', '///foo', '/./foo', '/././/foo', '/bar/../foo', '/../foo', '/..//../foo', '/bar/..//foo', '/foo/.', '/foo/../foo', '/foo/bar/..',
    '/%66oo', '/f%6Fo', '/%66%6f%6f', '/%2e/foo', '/%2E%2e/foo', '/bar/%2e%2e/foo', '/bar/.%2e/foo', '/bar/%2e./%66oo', '/foo/%2e%2e/foo', '/%23/../foo', '//%2e//%66oo//',
    '/\\foo', '/bar\\..\\foo', '/foo?x', '/foo?', '/foo?/../bar', '/foo/;x=1',
  ),
  redirected('/foo%2fbar', '/foo/bar'), redirected('/foo%2Fbar', '/foo/bar'), redirected('/%2ffoo', '/foo'), redirected('/%2f/foo', '/foo'), redirected('/bar%2f..%2ffoo', '/foo'),
  redirected('/%2e%2e%2ffoo', '/foo'), redirected('/%5cfoo', '/foo'), redirected('/bar%5c..%5cfoo', '/foo'), redirected('/foo%2fbar?x=%2f', '/foo/bar?x=%2f'),
  ...refused('/foo%00', '/foo%00bar', '/foo#x'),
];
/** No paths at all: over HTTP/2 an error of the connection. */
const noPaths = ['\\foo', 'foo/../foo', '%2ffoo', 'foo'];
/** Paths that HTTP/1 alone can carry. */
const http1Spellings = [
  ...needsToken('http://www.example.com/foo', 'http://www.example.com//foo', 'http://www.example.com/%66oo', 'HTTP://www.example.com/foo', 'http://WWW.EXAMPLE.COM:80/foo', 'http://u:p@www.example.com/foo', '/foo\t', '/foo '),
  ...refused(...noPaths, '/foo\0', '/\tfoo', '/ foo', '/foo\x7f', '/foo\x01', '/f\xf6o'),
];
/** Other paths: these reach the backend, so the ones above are not refused for want of anything but a token. */
const others = [
  open('/'), open('/bar'), open('/FOO'), open('/foobar'), open('/foo/..', '/'), open('/foo/../bar', '/bar'), open('/bar?/../foo'), open('/foo.'), open('/%2566oo'), open('/%252e/foo'), open('/%252ffoo'),
  open('/bar/%252e%252e/foo'), open('/%25%36%36oo', '/%2566oo'), open('/foo%3fx'), open('/f%oo'), open('/foo%E2%80%8B'), open('//www.example.com/foo', '/www.example.com/foo'), open('/%c0%af/foo'), open('/foo;x=1'),
];

async function alone<Answer>(send: () => Promise<Answer>): Promise<{ answer: Answer; seen: readonly Recorded[] }> {
  const before = backend.seen.length;
  const answer = await send();
  return { answer, seen: backend.seen.slice(before) };
}

function expectFate(fate: Fate, { status, location }: Pick<RawAnswer, 'status' | 'location'>, seen: readonly Recorded[]): void {
  expect(seen.filter(isProtected)).toEqual([]);
  if (fate === 'needs a token') expect([status, seen.length]).toEqual([401, 0]);
  else if ('redirected' in fate) expect([status, location, seen.length]).toEqual([307, fate.redirected, 0]);
  else if ('refused' in fate) expect([status, seen.length]).toEqual([fate.refused, 0]);
  else expect([status, seen.map(({ target }) => target)]).toEqual([200, [fate.open]]);
}

/** With prior knowledge, on a connection of its own; status 0 when Envoy ends that instead of answering. */
function overHttp2(headers: OutgoingHttpHeaders): Promise<{ status: number; location: string | undefined }> {
  return new Promise((resolve) => {
    const session = connect(`http://${gatewright.address()}`);
    const end = (status: number, location?: string): void => {
      resolve({ status, location });
      session.destroy();
    };
    session.on('error', () => end(0)).on('close', () => end(0));
    session.request({ ':authority': 'www.example.com', ...headers }).on('error', () => end(0)).on('response', (answer) => end(Number(answer[':status']), answer['location'] as string | undefined)).end();
  });
}

describe('the reader of this test', () => {
  test.each(spellings.filter(([, fate]) => !(typeof fate === 'object' && 'refused' in fate)))('takes %j for the protected path', (target) => { expect(isProtectedPath(target)).toBe(true); });
  test.each(others)('takes %j for another', (target) => { expect(isProtectedPath(target)).toBe(false); });
});

describe('a path over HTTP/1.1', () => {
  test.each([...spellings, ...http1Spellings, ...others])('%j: %j', async (target, fate) => {
    const { answer, seen } = await alone(() => exchange(gatewright.address(), get(target)));
    expect(answer).toHaveLength(1);
    expectFate(fate, answer[0] as RawAnswer, seen);
  });
  test.each([...spellings, ...http1Spellings].filter(([, fate]) => fate === 'needs a token'))('%j is the protected path to the backend, with a token', async (target) => {
    const { answer, seen } = await alone(() => exchange(gatewright.address(), get(target, BEARER)));
    expect([answer[0]?.status, seen.length, seen.every(isProtected)]).toEqual([200, 1, true]);
  });
  test.each(spellings.flatMap(([, fate]) => (typeof fate === 'object' && 'redirected' in fate ? [fate.redirected] : [])))('a redirect leads to %s, which needs a token', async (target) => {
    const [answer] = await exchange(gatewright.address(), get(target));
    expect(answer?.status).toBe(401);
  });
});

describe('a path over HTTP/2', () => {
  test.each([...spellings, ...others])('%j: %j', async (target, fate) => {
    const { answer, seen } = await alone(() => overHttp2({ ':path': target }));
    expectFate(fate, answer, seen);
  });
  test.each(noPaths)('%j ends the connection', async (target) => {
    const { answer, seen } = await alone(() => overHttp2({ ':path': target }));
    expect([answer.status, seen.length]).toEqual([0, 0]);
  });
  test.each<[string, OutgoingHttpHeaders, Fate]>([
    ['the host in upper case', { ':authority': 'WWW.EXAMPLE.COM' }, 'needs a token'],
    ['the host with a port', { ':authority': 'www.example.com:8443' }, 'needs a token'],
    ['the host with a dot', { ':authority': 'www.example.com.' }, 'needs a token'],
    ['the host of an open neighbour in Host', { ':authority': 'www.example.com', host: 'open.example.com' }, 'needs a token'],
    ['a method that overrides', { ':method': 'POST', 'x-http-method-override': 'GET' }, 'needs a token'],
    ['the path Envoy was asked for before', { 'x-envoy-original-path': '/' }, 'needs a token'],
  ])('with %s', async (_, headers, fate) => {
    const { answer, seen } = await alone(() => overHttp2({ ':path': '/foo', ...headers }));
    expectFate(fate, answer, seen);
  });
});

/** A request for /foo, line by line. */
const request = (line: string, ...headers: string[]): string => `${[line, ...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`;
const HOST = 'Host: www.example.com';
const smuggled = request('GET /foo HTTP/1.1', HOST);
const chunkedWith = (...headers: string[]): string => `${['POST / HTTP/1.1', HOST, ...headers].join('\r\n')}\r\n\r\n0\r\n\r\n${smuggled}`;

describe('everything else about a request', () => {
  test.each<[string, string, readonly number[]]>([
    ['a host with a port', request('GET /foo HTTP/1.1', 'Host: www.example.com:8080'), [401]],
    ['a host in upper case', request('GET /foo HTTP/1.1', 'Host: WWW.Example.COM'), [401]],
    ['a host with a trailing dot', request('GET /foo HTTP/1.1', 'Host: www.example.com.'), [401]],
    ['a host with a dot and a port', request('GET /foo HTTP/1.1', 'Host: www.example.com.:80'), [401]],
    ['an open host, and a protected target', request('GET http://www.example.com/foo HTTP/1.1', 'Host: open.example.com'), [401]],
    ['two hosts', request('GET /foo HTTP/1.1', 'Host: open.example.com', HOST), [404]],
    ['two hosts the other way round', request('GET /foo HTTP/1.1', HOST, 'Host: open.example.com'), [404]],
    ['a target of https without TLS', request('GET https://www.example.com/foo HTTP/1.1', HOST), [403]],
    ['HTTP/1.0', request('GET /foo HTTP/1.0', HOST), [426]],
    ['HTTP/1.0 without a host', request('GET /foo HTTP/1.0'), [426]],
    ['HTTP/0.9', 'GET /foo\r\n\r\n', [426]],
    ['two blanks before the path', request('GET  /foo HTTP/1.1', HOST), [401]],
    ['a tab before the path', request('GET\t/foo HTTP/1.1', HOST), [401]],
    ['lines that end with \\n alone', 'GET /foo HTTP/1.1\nHost: www.example.com\nConnection: close\n\n', [401]],
    ['a method in lower case', request('get /foo HTTP/1.1', HOST), [400]],
    ['an unknown method', request('FOO /foo HTTP/1.1', HOST), [400]],
    ...['HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'PATCH'].map((method): [string, string, number[]] => [`method ${method}`, request(`${method} /foo HTTP/1.1`, HOST), [401]]),
    ['CONNECT', request('CONNECT www.example.com:80 HTTP/1.1', HOST), [404]],
    ['a method that overrides', request('POST /foo HTTP/1.1', HOST, 'x-http-method-override: GET', 'Content-Length: 0'), [401]],
    ['the path Envoy was asked for before', request('GET /foo HTTP/1.1', HOST, 'x-envoy-original-path: /'), [401]],
    ['a path for other proxies', request('GET /foo HTTP/1.1', HOST, 'x-original-url: /', 'x-rewrite-url: /'), [401]],
    ['internal headers', request('GET /foo HTTP/1.1', HOST, 'x-envoy-internal: true', 'x-forwarded-for: 127.0.0.1', 'x-envoy-external-address: 127.0.0.1'), [401]],
    ['a header with an underscore', request('GET /foo HTTP/1.1', HOST, 'x_token: 1'), [400]],
    ['a pseudo-header', request('GET /foo HTTP/1.1', HOST, ':path: /'), [400]],
    ['a folded pseudo-header', request('GET /foo HTTP/1.1', HOST, ' :path: /'), [400]],
    ['a token for the next hop', request('GET /foo HTTP/1.1', HOST, `Proxy-Authorization: Bearer ${good}`), [401]],
    ['a second request on the connection of an open one', `GET / HTTP/1.1\r\n${HOST}\r\n\r\n${smuggled}`, [200, 401]],
    ['a second request on the connection of an authorized one', `GET /foo HTTP/1.1\r\n${HOST}\r\n${BEARER}\r\n${smuggled}`, [200, 401]],
    ['a request in a body of two lengths', `POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n${smuggled}`, [400]],
    ['a request behind a length and chunks', chunkedWith('Content-Length: 6', 'Transfer-Encoding: chunked'), [400]],
    ['a request behind an encoding that is not chunked', chunkedWith('Transfer-Encoding: chunked, identity'), [501]],
    ['a request behind an unknown encoding', chunkedWith('Transfer-Encoding: xchunked'), [501]],
    ['an upgrade to h2c', `${request('GET /foo HTTP/1.1', HOST, 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA').replace('Connection: close', 'Connection: Upgrade, HTTP2-Settings, close')}`, [401]],
  ])('%s', async (_, bytes, statuses) => {
    const { answer, seen } = await alone(() => exchange(gatewright.address(), bytes));
    expect(answer.map(({ status }) => status)).toEqual(statuses);
    // Nothing reaches the protected path but with the token of that very request.
    expect(seen.filter(isProtected).filter(({ headers }) => headers['authorization'] !== `Bearer ${good}`)).toEqual([]);
    expect(seen.length).toBe(statuses.filter((status) => status === 200).length);
  });

  test('what Envoy goes by is not taken from a client, nor handed to the backend', async () => {
    const forged = ['x-envoy-original-path: /foo', 'x-envoy-internal: true', 'x-envoy-decorator-operation: a', 'x-envoy-max-retries: 3', 'x-envoy-retry-on: 5xx', 'x-envoy-upstream-rq-timeout-ms: 1', 'x-envoy-downstream-service-cluster: b'];
    const { answer, seen } = await alone(() => exchange(gatewright.address(), request('GET / HTTP/1.1', HOST, ...forged)));
    expect(answer[0]?.status).toBe(200);
    expect(Object.keys(seen[0]?.headers ?? {}).filter((name) => name.startsWith('x-envoy-'))).toEqual(['x-envoy-external-address']);
  });
});
