// `cors` of a SecurityPolicy: what is taken, as Envoy Gateway does; what is refused, and closes; what is told; and who is blamed for lists without end.
import { describe, expect, test } from 'vitest';
import { load } from '../../controller-glue/load.ts';
import { translate } from '../../controller-glue/translate.ts';
import { RouteCache } from '../../controller-glue/xds/encode-routes.ts';
import { routeJson } from '../../controller-glue/xds/routes.ts';
import { tooLarge } from '../../controller-glue/xds/size.ts';
import { ISSUER } from '../cases/jwt.ts';
import { jwks } from '../cases/tokens.ts';
import { documents, gateway, gatewayClass, httpRoute, securityPolicy, service } from '../up/manifests.ts';
import { paths, replaced } from './mutations.ts';

function made(cors: unknown, more: object = {}, matches?: readonly object[]) {
  const { resources, problems } = load([{ path: 'a.yaml', text: documents(gatewayClass, gateway(), service(), httpRoute('app', matches), securityPolicy('app', { cors, ...more })) }]);
  const { ir, problems: others } = translate(resources);
  const found = [...problems, ...others];
  const [irGateway] = ir.gateways;
  const [route] = irGateway?.routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes)) ?? [];
  if (irGateway === undefined || route === undefined) throw new Error('no route');
  return {
    route, irGateway,
    errors: found.filter(({ severity }) => severity === 'error').map(({ path, message }) => `${path}: ${message}`),
    warnings: found.filter(({ severity }) => severity === 'warning').map(({ path, message, hint }) => `${path}: ${message} (${hint})`),
  };
}
const ORIGIN = 'must be an origin such as https://www.example.com, https://*.example.com or http://localhost:8080, or *';
const CLOSED = { kind: 'respond', status: 500, reason: 'gatewright_policy_invalid' };

describe('an origin', () => {
  test.each([
    '*', 'https://foo.bar.com', 'https://foo.bar.com:8080', 'https://*.foo.bar', 'http://*.foo.com:8080', 'http://*', 'https://*:8443', 'http://localhost', 'http://a_b-c.test', 'moz-extension://example.com', 'foo://*.example.com:8080', 'git+ssh://host', 'https://1.2.3.4',
  ])('that EG takes: %s', (origin) => {
    const { errors, route } = made({ allowOrigins: [origin] });
    expect([errors, route.action.kind, route.cors?.origins.length]).toEqual([[], 'forward', 1]);
  });

  test.each([
    'foo.bar.com', 'https://foo.*.com', 'https://foo*.com', 'https://*foo.com', 'https://*.*.com', 'https://**', '*.foo.com', '**', '1http://foo.bar.com', 'https://', 'https://foo.bar.com/', 'https://foo.bar.com/path', 'https://foo.com:', 'https://foo.com:123456', 'https://foo.com:*',
    'https://.foo.com', 'https://foo..com', 'https://foo.com.', 'https://[::1]', 'https://a b', 'https://a@b', 'https://foo.com\n', 'https://foo.com\r\nx: y', 'https://bücher.test', 'null', ' https://foo.com', `https://${'a-'.repeat(60)}!`, `https://${'a'.repeat(120)}!`,
  ])('that EG refuses: %j', (origin) => {
    const { errors, route } = made({ allowOrigins: ['https://foo.com', origin] });
    expect([errors, route.action, route.cors]).toEqual([[`spec.cors.allowOrigins[1]: ${ORIGIN}`], CLOSED, undefined]);
  });

  test('of no characters, or of too many', () => {
    expect(made({ allowOrigins: [''] }).errors[0]).toMatch(/^spec\.cors\.allowOrigins\[0\]: /);
    expect(made({ allowOrigins: [`https://${'a.'.repeat(123)}a`] }).errors).toEqual(['spec.cors.allowOrigins[0]: must have at most 253 characters']);
  });

  test.each([
    ['https://*.example.com', 'https://[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.example\\.com'], ['git+ssh://*.a-b.test:22', 'git\\+ssh://[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*\\.a-b\\.test:22'],
    ['https://*', 'https://([A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*|\\[[0-9A-Fa-f:.]+\\])(:[0-9]{1,5})?'], ['https://*:8443', 'https://([A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*|\\[[0-9A-Fa-f:.]+\\]):8443'],
  ])('with a wildcard is a pattern of names, and all else in it stands for itself: %s', (origin, value) => {
    expect(made({ allowOrigins: [origin] }).route.cors?.origins).toEqual([{ kind: 'regex', value }]);
  });
});

describe('is refused, and its routes answer 500', () => {
  test.each<[string, unknown, string]>([
    ['a method that is two', { allowMethods: ['GET, PUT'] }, 'spec.cors.allowMethods[0]: must be one method such as GET, or *'],
    ['a method that is none', { allowMethods: [''] }, 'spec.cors.allowMethods[0]: must be one method such as GET, or *'],
    ['a header in the header', { allowHeaders: ['x-a\r\nset-cookie: a=b'] }, 'spec.cors.allowHeaders[0]: must be one header name, or *'],
    ['a header that is a line end', { exposeHeaders: ['x-a', '\n'] }, 'spec.cors.exposeHeaders[1]: must be one header name, or *'],
    ['a header beyond ASCII', { exposeHeaders: ['é'] }, 'spec.cors.exposeHeaders[0]: must be one header name, or *'],
    ['an age that is a number', { maxAge: 5 }, 'spec.cors.maxAge: must be a string, not a number'],
    ['an age of days', { maxAge: '1d' }, 'spec.cors.maxAge: must be a duration such as 500ms, 10s or 1h30m'],
    ['credentials in words', { allowCredentials: 'yes' }, 'spec.cors.allowCredentials: must be true or false, not a string'],
    ['a field of another product', { allowOriginRegex: ['.*'] }, 'spec.cors.allowOriginRegex: unknown field'],
    ['more origins than anybody names', { allowOrigins: Array.from({ length: 257 }, (_, i) => `https://a${i}.test`) }, 'spec.cors.allowOrigins: must have at most 256 entries'],
    ['nothing at all', null, 'spec.cors: '],
  ])('%s', (_, cors, says) => {
    const { errors, route } = made(cors);
    expect(errors.some((error) => error.startsWith(says)), errors.join('\n')).toBe(true);
    expect([route.action, route.cors]).toEqual([CLOSED, undefined]);
  });
});

test('of nothing but itself, it lets no origin in', () => {
  const { errors, route } = made({});
  expect([errors, route.cors]).toEqual([[], { origins: [], methods: [], headers: [], exposed: [], credentials: false }]);
  expect(routeJson(route).typedPerFilterConfig?.['envoy.filters.http.cors']).toEqual({ '@type': 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy', allowOriginStringMatch: [], allowCredentials: false, forwardNotMatchingPreflights: false });
});

test.each([['1h30m', '5400'], ['1999ms', '1'], ['0s', '0']])('a maxAge of %s is so many seconds, in whole ones', (maxAge, seconds) => {
  expect(routeJson(made({ maxAge }).route).typedPerFilterConfig?.['envoy.filters.http.cors']).toMatchObject({ maxAge: seconds });
});

describe('is told', () => {
  const anybody = 'spec.cors.allowCredentials: with any origin allowed, every web page may call in the name of whoever visits it, and read the answers (give the origins that are meant)';
  test.each<[string, object, readonly string[]]>([
    ['any origin, with credentials', { allowOrigins: ['https://a.test', '*'], allowCredentials: true }, [anybody]],
    ['any host, with credentials', { allowOrigins: ['https://*'], allowCredentials: true }, [anybody]],
    ['any host on a port, with credentials', { allowOrigins: ['http://*:8080'], allowCredentials: true }, [anybody]],
    ['any origin without credentials', { allowOrigins: ['*'], exposeHeaders: ['*'] }, []],
    ['a domain, with credentials', { allowOrigins: ['https://*.example.com'], allowCredentials: true, allowHeaders: ['*'], allowMethods: ['*'] }, []],
    ['all headers, with credentials', { exposeHeaders: ['*'], allowCredentials: true }, ['spec.cors.exposeHeaders: with allowCredentials browsers take * for a header of that name (give the names of the headers)']],
    ['what browsers leave out', { allowOrigins: ['https://a.test:443', 'http://*.a.test:80', 'https://a.test:80'] }, ['spec.cors.allowOrigins[0]: is the origin of no page (browsers write https://a.test)', 'spec.cors.allowOrigins[1]: is the origin of no page (browsers write http://*.a.test)']],
    ['what browsers write otherwise', { allowOrigins: ['https://A.test', 'https://127.1', 'https://a.test:70000', 'chrome-extension://AbC'] },
      ['spec.cors.allowOrigins[0]: is the origin of no page (browsers write https://a.test)', 'spec.cors.allowOrigins[1]: is the origin of no page (browsers write https://127.0.0.1)', 'spec.cors.allowOrigins[2]: is the origin of no page (its port or address is none)']],
  ])('%s', (_, cors, told) => {
    const { errors, warnings, route } = made(cors);
    expect([errors, warnings, route.action.kind]).toEqual([[], told, 'forward']);
  });
});

describe('whatever is done to it, nobody gets past jwt', () => {
  const cors = { allowOrigins: ['https://*.example.com'], allowMethods: ['GET'], allowHeaders: ['x-a'], exposeHeaders: ['x-b'], maxAge: '1h', allowCredentials: true };
  const jwt = { jwt: { providers: [{ name: 'example', issuer: ISSUER, localJWKS: { type: 'Inline', inline: JSON.stringify(jwks) } }] } };
  test.each(paths(cors).map((path) => [path.join('.'), path] as const))('%s', (_, path) => {
    for (const value of [null, undefined, 7, true, '', 'x', '*', [], {}, [null], [{}], { a: 1 }, ['x'], ['*'], 'x'.repeat(400)]) {
      const { route } = made(replaced(cors, path, value), jwt);
      expect(route.action.kind === 'respond' ? route.cors === undefined : route.jwt !== undefined, JSON.stringify(value)).toBe(true);
    }
  });
});

describe('a rule for some methods', () => {
  const names = (matches: readonly object[], cors: unknown): string[] => {
    const { irGateway } = made(cors, {}, matches);
    return irGateway.routeTables.flatMap(({ virtualHosts }) => virtualHosts.flatMap(({ routes }) => routes.map(({ name }) => name.replace('httproute/default/app/rule/0/match/', ''))));
  };
  const at = (value: string, method?: string): object => ({ path: { value }, ...(method === undefined ? {} : { method }) });
  test('has its preflights by the method that they ask for, each before the rule that it is for', () => {
    expect(names([at('/a', 'GET'), at('/a', 'PUT'), at('/b'), at('/longer', 'GET')], {})).toEqual(['3/preflight', '3', '0/preflight', '0', '1/preflight', '1', '2']);
    expect(made({}, {}, [{ ...at('/a', 'PUT'), headers: [{ name: 'x-a', value: 'b' }] }]).route).toMatchObject({ action: { kind: 'forward' }, cors: {}, match: {
      path: { kind: 'prefix', value: '/a' }, method: 'OPTIONS',
      headers: [{ name: 'x-a', kind: 'exact', value: 'b' }, { name: 'origin', kind: 'regex', value: '.+' }, { name: 'access-control-request-method', kind: 'exact', value: 'PUT' }],
    } });
  });
  test('keeps OPTIONS where its author gave it', () => expect(names([at('/a', 'GET'), at('/a', 'OPTIONS'), at('/b', 'GET')], {})).toEqual(['0', '1', '2/preflight', '2']));
  test('has nothing of it without cors, or where it is closed', () => {
    expect(names([at('/a', 'GET')], undefined)).toEqual(['0']);
    expect(names([at('/a', 'GET')], { allowOrigins: ['x'] })).toEqual(['0']);
  });
});

test('lists that make the configuration too large are the policy\'s, not its route\'s', () => {
  const matches = Array.from({ length: 64 }, (_, i) => ({ path: { value: `/${i}` } }));
  const { irGateway } = made({ allowHeaders: Array.from({ length: 256 }, (_, i) => `x-${'a'.repeat(200)}-${i}`) }, {}, matches);
  expect(tooLarge(irGateway, new RouteCache(), 2 ** 20).map(({ ref }) => ref.kind)).toEqual(['SecurityPolicy']);
});
