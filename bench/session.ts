// What a request of somebody who is logged in costs: Envoy's own oauth2 filter with the cookies that it has set itself, and ours with an assertion.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { EXTPROC_CLUSTER } from '../controller-glue/xds/bootstrap.ts';
import { SESSION } from '../controller-glue/xds/extensions.ts';
import { OIDC, oidcProcessor } from '../controller-glue/xds/processors.ts';
import type { SessionPolicy } from '../policy/session.ts';
import { keys, nowSeconds, token } from '../test/cases/tokens.ts';
import { ask } from '../test/envoy/answer.ts';
import { EnvoyProcess } from '../test/envoy/envoy-process.ts';
import { guard, plain, wasm } from './filters.ts';
import { any, cpuRounds, listener } from './rounds.ts';
import type { Json, Scenario } from './rounds.ts';

const HOST = 'www.example.com';
/** More than are remembered: each is verified anew. */
const MANY = 4096;
const COOKIE = '__Host-gatewright-assertion-scope12345';
const policy: SessionPolicy = { scope: 'scope12345', cookie: COOKIE, paths: ['/oauth2/callback', '/logout'], removeHeaders: ['x-user', 'x-email'] };

const accessToken = token({ iss: 'https://issuer.example', sub: 'alice', aud: 'api', exp: nowSeconds() + 36_000 }, keys.RS256);
const assertion = (jti = 0): string => `${COOKIE}=${token({
  aud: policy.scope, pid: 'p1', iat: nowSeconds(), exp: nowSeconds() + 36_000, set: [['x-user', 'alice'], ['x-email', 'alice@example.com']], claims: { sub: 'alice', email: 'alice@example.com', jti },
}, keys.ES256, { typ: 'session+jwt' })}`;
const cluster = (name: string, address: Json): Json => ({ name, load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] } });
const at = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

const native: Json = {
  name: 'oauth2',
  typedConfig: any('envoy.extensions.filters.http.oauth2.v3.OAuth2', { config: {
    tokenEndpoint: { cluster: 'issuer', uri: 'http://issuer/token', timeout: '5s' }, authorizationEndpoint: 'http://issuer/authorize', redirectUri: `http://${HOST}/oauth2/callback`,
    redirectPathMatcher: { path: { exact: '/oauth2/callback' } }, signoutPath: { path: { exact: '/logout' } }, authScopes: ['openid'],
    credentials: { clientId: 'bench', tokenSecret: { name: 'token' }, hmacSecret: { name: 'hmac' } },
  } }),
};
const nativeResources = (port: number): Json => ({
  clusters: [cluster('issuer', at(port))],
  secrets: ['token', 'hmac'].map((name) => ({ name, generic_secret: { secret: { inline_string: name.repeat(16) } } })),
});

/** Logs in at an Envoy with the native filter: its cookies. They are good at any other with the same secrets, for the same host. */
async function nativeLogin(resources: Json): Promise<string> {
  const envoy = await EnvoyProcess.start({ static_resources: { ...resources, listeners: [listener([native], plain)] } });
  try {
    const address = await envoy.address('bench');
    const jar = new Map<string, string>();
    const visit = async (path: string): Promise<URL> => {
      const { status, headers } = await ask(address, path, { headers: { cookie: [...jar].map((pair) => pair.join('=')).join('; ') } }, HOST);
      for (const cookie of [headers['set-cookie'] ?? []].flat()) jar.set(cookie.slice(0, cookie.indexOf('=')), cookie.slice(cookie.indexOf('=') + 1).split(';')[0] ?? '');
      if (status !== 302) throw new Error(`oauth2 answers ${status} at ${path}`);
      return new URL(String(headers['location']));
    };
    const state = (await visit('/')).searchParams.get('state') ?? '';
    await visit(`/oauth2/callback?${String(new URLSearchParams({ code: 'code', state }))}`);
    return ['BearerToken', 'IdToken', 'RefreshToken', 'OauthHMAC', 'OauthExpires'].flatMap((name) => jar.has(name) ? [`${name}=${jar.get(name)}`] : []).join('; ');
  } finally {
    await envoy.stop();
  }
}

/** As the controller makes it: session.wasm, then the login that it skips, then the guard. `whole` false: the first alone. */
function ours(whole: boolean): Json {
  const live = { filterState: { key: `wasm.${OIDC}`, stringMatch: { exact: 'p1' } } };
  const route: Json = {
    ...plain, metadata: { filterMetadata: { gatewright: { oidc: 'p1' } } },
    typedPerFilterConfig: {
      [SESSION]: any('envoy.config.route.v3.FilterConfig', { config: {} }),
      ...(whole ? {
        [OIDC]: any('envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute', { overrides: { grpcInitialMetadata: [{ key: 'gatewright-policy', value: 'p1' }] } }),
        'gatewright.guard': any('envoy.extensions.filters.http.rbac.v3.RBACPerRoute', { rbac: { rules: { action: 'ALLOW', policies: { verdict: { permissions: [{ any: true }], principals: [live] } } } } }),
      } : {}),
    },
  };
  const session = wasm(SESSION, 'session', { source: 'route', keys: { keys: [keys.ES256.jwk] } });
  return listener(whole ? [session, oidcProcessor as Json, guard] : [session], route, [], { metadata: { filterMetadata: { gatewright: { 'session_policy.p1': JSON.stringify(policy) } } } });
}

/** In turn, another assertion for each request. */
const inTurn = (): string => `local all = { ${Array.from({ length: MANY }, (_, i) => JSON.stringify(assertion(i))).join(', ')} }
local n = 0
request = function() n = n % ${MANY} + 1; wrk.headers["cookie"] = all[n]; return wrk.format() end\n`;

function scenario(one: Json, resources: Json, cookie: string, refused: number, more: Partial<Scenario> = {}): Scenario {
  const headers = { Host: HOST, cookie };
  return {
    listener: one, resources, headers, ...more,
    check: async (address) => {
      const { status } = await ask(address, '/', { headers: { cookie } }, HOST);
      if (status !== 200) throw new Error(`a live session gets ${status}`);
      const other = (await ask(address, '/', { headers: { cookie: 'a=1' } }, HOST)).status;
      if (other !== refused) throw new Error(`a request without a session gets ${other}`);
    },
  };
}

export async function benchSession(): Promise<void> {
  const issuer = createServer((_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ access_token: accessToken, id_token: accessToken, token_type: 'Bearer', expires_in: 36_000 }));
  }).listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const oauth2 = nativeResources((issuer.address() as AddressInfo).port);
  // Nobody is there: whoever asks gets a 503.
  const nobody = { clusters: [cluster(EXTPROC_CLUSTER, at(1))].map((one) => ({ ...one, typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', { explicit_http_config: { http2_protocol_options: {} } }),
  } })) };
  try {
    const cookie = await nativeLogin(oauth2);
    await cpuRounds('A request of a live session', {
      'no filter': scenario(listener([], plain), {}, 'a=1', 200),
      'native oauth2': scenario(listener([native], plain), oauth2, cookie, 302),
      'ours: session.wasm alone': scenario(ours(false), {}, assertion(), 200, { peer: 'native oauth2' }),
      'ours': scenario(ours(true), nobody, assertion(), 503, { peer: 'native oauth2' }),
      'ours, every signature verified': scenario(ours(true), nobody, assertion(), 503, { peer: 'native oauth2', script: inTurn() }),
    }, { unit: 'request' });
  } finally {
    issuer.close();
  }
}
if (import.meta.main) await benchSession();
