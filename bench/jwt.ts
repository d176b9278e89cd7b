// What JWT authentication with claim authorization costs: Envoy's own jwt_authn + rbac, the same with its token cache, and ours.
import { contentId } from '../controller-glue/content-id.ts';
import type { IrRoute } from '../controller-glue/ir.ts';
import { canonicalJson } from '../policy/canonical-json.ts';
import type { JwtPolicy } from '../policy/jwt.ts';
import { jwks, keys, nowSeconds, token } from '../test/cases/tokens.ts';
import { ask } from '../test/envoy/answer.ts';
import { guard, plain, wasm } from './filters.ts';
import { any, carrying, cpuRounds, listener } from './rounds.ts';
import type { Json, Scenario } from './rounds.ts';

const ISSUER = 'https://iss.example';

const policy: JwtPolicy = {
  providers: [{ name: 'example', issuer: ISSUER, audiences: ['api'], keys: { jwks: jwks as never }, from: { headers: [{ name: 'authorization', prefix: 'Bearer ' }], params: ['access_token'], cookies: [] }, claimToHeaders: [] }],
  missing: 'Deny', claimHeaders: 'FilterState',
  authorization: { defaultAction: 'Deny', rules: [{ name: 'admins', action: 'Allow', jwt: { provider: 'example', scopes: [], claims: [{ claim: ['role'], type: 'String', values: ['admin'] }] } }] },
};
const claims = { iss: ISSUER, aud: 'api', sub: 'alice', role: 'admin', exp: nowSeconds() + 36_000, email: 'alice@example.com' };

const nativeJwt = (cache: boolean): Json => ({
  name: 'jwt',
  typedConfig: any('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', {
    providers: { example: { issuer: ISSUER, audiences: ['api'], forward: true, payloadInMetadata: 'example', localJwks: { inlineString: JSON.stringify(jwks) }, ...(cache && { jwtCacheConfig: { jwtCacheSize: 100 } }) } },
    rules: [{ match: { prefix: '/' }, requires: { providerName: 'example' } }],
  }),
});
const nativeRbac: Json = {
  name: 'rbac',
  typedConfig: any('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { action: 'ALLOW', policies: { admins: {
    permissions: [{ any: true }], principals: [{ metadata: { filter: 'envoy.filters.http.jwt_authn', path: [{ key: 'example' }, { key: 'role' }], value: { stringMatch: { exact: 'admin' } } } }],
  } } } }),
};
function ours(tokenCache: boolean): Json {
  const route: IrRoute = { name: 'ours', owners: [], match: { path: { kind: 'prefix', value: '/' }, headers: [], query: [] }, action: { kind: 'forward', shares: [] }, jwt: { id: contentId(canonicalJson(policy)), policy } };
  return carrying([wasm('gatewright.jwt', 'jwt', { source: 'route', tokenCache }), guard], route);
}

function scenario(one: Json, key: (typeof keys)[keyof typeof keys], peer?: string): Scenario {
  const headers = { authorization: `Bearer ${token(claims, key)}` };
  return {
    listener: one, headers, ...(peer === undefined ? {} : { peer }),
    check: async (address) => {
      const { status, body } = await ask(address, '/', { headers });
      if (status !== 200) throw new Error(`${status} ${body}`);
      if ((await ask(address, '/')).status !== 401) throw new Error('lets requests without a token in');
    },
  };
}

export async function benchJwt(): Promise<void> {
  const none: Scenario = { ...scenario(listener([], plain), keys.RS256), check: async () => {} };
  await cpuRounds('JWT claim authorization', {
    'no filter': none,
    'native RS256': scenario(listener([nativeJwt(false), nativeRbac], plain), keys.RS256),
    'native RS256, cached': scenario(listener([nativeJwt(true), nativeRbac], plain), keys.RS256, 'native RS256'),
    'ours RS256, every signature verified': scenario(ours(false), keys.RS256, 'native RS256'),
    'ours RS256 (default)': scenario(ours(true), keys.RS256, 'native RS256'),
    'native ES256': scenario(listener([nativeJwt(false), nativeRbac], plain), keys.ES256),
    'ours ES256, every signature verified': scenario(ours(false), keys.ES256, 'native ES256'),
    'ours ES256 (default)': scenario(ours(true), keys.ES256, 'native ES256'),
  }, { unit: 'request' });
}
if (import.meta.main) await benchJwt();
