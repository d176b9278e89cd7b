// What filters/jwt answers, as sentences. The same table runs in the VM, in Envoy through `gatewright up`, and against
// Envoy's own jwt_authn + rbac (answers compared; wanted differences stand in test/deviations.ts).
import { base64url, jwks, keys, nowSeconds, rawToken, signature, token } from './tokens.ts';

export const ISSUER = 'https://iss.example';
const jwtProvider = { name: 'example', issuer: ISSUER, audiences: ['api'], localJWKS: { type: 'Inline', inline: JSON.stringify(jwks) } };

/** spec.jwt and spec.authorization of a SecurityPolicy on the route of that name, whose path is /<name>. */
export const policies = {
  plain: { jwt: { providers: [jwtProvider] } },
  anyone: { jwt: { providers: [{ name: 'example', localJWKS: jwtProvider.localJWKS }] } },
  optional: { jwt: { optional: true, providers: [jwtProvider] } },
  elsewhere: {
    jwt: { providers: [{ ...jwtProvider, extractFrom: { headers: [{ name: 'X-Token', valuePrefix: 'Token ' }, { name: 'x-bare' }], cookies: ['session'], params: ['jwt'] } }] },
  },
  two: {
    jwt: {
      providers: [
        { ...jwtProvider, localJWKS: { type: 'Inline', inline: JSON.stringify({ keys: [keys.RS256.jwk] }) } },
        { name: 'other', issuer: 'https://other.example', audiences: ['other'], localJWKS: { type: 'Inline', inline: JSON.stringify({ keys: [keys.ES256.jwk] }) } },
      ],
    },
  },
  headers: {
    jwt: {
      providers: [{
        ...jwtProvider,
        claimToHeaders: [
          { header: 'x-sub', claim: 'sub' }, { header: 'x-count', claim: 'count' }, { header: 'x-ratio', claim: 'ratio' }, { header: 'x-admin', claim: 'admin' },
          { header: 'x-roles', claim: 'user.roles' }, { header: 'x-nothing', claim: 'nothing' },
        ],
      }],
    },
  },
  claims: {
    jwt: { providers: [jwtProvider] },
    authorization: {
      defaultAction: 'Deny',
      rules: [{
        name: 'admins', action: 'Allow',
        principal: {
          jwt: {
            provider: 'example', scopes: ['foo', 'bar'],
            claims: [{ name: 'user.name', values: ['John Doe', 'Jane Doe'] }, { name: 'user.roles', valueType: 'StringArray', values: ['admin', 'root'] }],
          },
        },
      }],
    },
  },
  ordered: {
    jwt: { providers: [jwtProvider] },
    authorization: {
      defaultAction: 'Allow',
      rules: [
        { name: 'vip', action: 'Allow', principal: { jwt: { provider: 'example', claims: [{ name: 'vip', values: ['yes'] }] } } },
        { name: 'banned', action: 'Deny', principal: { jwt: { provider: 'example', claims: [{ name: 'banned', values: ['yes'] }] } } },
      ],
    },
  },
} as const;
export type PolicyName = keyof typeof policies;

export interface JwtRequest { readonly query?: string; readonly headers?: Record<string, string | string[]> }
export interface JwtCase {
  readonly name: string;
  readonly policy: PolicyName;
  readonly request: JwtRequest;
  readonly status: number;
  readonly body?: string;
  /** What follows the realm in www-authenticate; absent: no such header. */
  readonly challenge?: '' | ', error="invalid_token"';
  readonly details?: string;
  /** Headers that the upstream must see (null: must not). Only where status is 200. */
  readonly upstream?: Record<string, string | null>;
}

const now = nowSeconds();
export const goodClaims = { iss: ISSUER, aud: 'api', sub: 'alice', exp: now + 36_000 };
const good = token(goodClaims);
const bearer = (jwt: string): JwtRequest => ({ headers: { authorization: `Bearer ${jwt}` } });

const refused = (name: string, request: JwtRequest, body: string, { policy = 'plain', status = 401 }: { policy?: PolicyName; status?: number } = {}): JwtCase => ({
  name, policy, request, status, body, details: `jwt_authn_access_denied{${body.replaceAll(' ', '_')}}`,
  challenge: body === 'Jwt is missing' ? '' : ', error="invalid_token"',
});
const accepted = (name: string, request: JwtRequest, policy: PolicyName = 'plain', upstream?: Record<string, string | null>): JwtCase => ({
  name, policy, request, status: 200, ...(upstream && { upstream }),
});
const forbidden = (name: string, claims: Record<string, unknown>, policy: PolicyName = 'claims', reason = 'none'): JwtCase => ({
  name, policy, request: bearer(token({ ...goodClaims, ...claims })), status: 403, body: 'RBAC: access denied', details: `rbac_access_denied_matched_policy[${reason}]`,
});
const withClaims = (claims: Record<string, unknown>): JwtRequest => bearer(token({ ...goodClaims, ...claims }));
const parts = good.split('.') as [string, string, string];
const [first, second, third] = parts;
const signed = (input: string): string => `${input}.${signature(input, keys.RS256)}`;
const header = JSON.stringify({ alg: 'RS256', kid: 'rs256' });
const admin = { scope: 'foo bar baz', user: { name: 'John Doe', roles: ['user', 'admin'] } };

/** The same bytes in base64url with other bits at the end, which no byte holds. */
const respelled = (text: string): string => text.slice(0, -1) + ({ A: 'B', Q: 'R', g: 'h', w: 'x' }[text.at(-1) ?? ''] ?? '*');
const padded = (text: string): string => Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_');

const MISSING = 'Jwt is missing';
const FORM = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
const FAILS = 'Jwt verification fails';
const NO_KEY = "Jwks doesn't have key to match kid or alg from Jwt";

export const cases: readonly JwtCase[] = [
  refused('refuses a request without a token', {}, MISSING),
  refused('takes an empty Bearer for no token', { headers: { authorization: 'Bearer ' } }, MISSING),
  refused('takes another scheme for no token', { headers: { authorization: 'Basic dXNlcjpwYXNz' } }, MISSING),
  refused('does not look where no source is', { headers: { 'x-token': `Token ${good}`, cookie: `session=${good}` } }, MISSING),
  accepted('accepts a good token', bearer(good)),
  accepted('finds the scheme in lower case', { headers: { authorization: `bearer ${good}` } }),
  accepted('finds the scheme in capitals', { headers: { authorization: `BEARER ${good}` } }),
  accepted('accepts access_token in the query', { query: `x=1&access_token=${good}` }),
  accepted('passes the token on to the upstream', bearer(good), 'plain', { authorization: `Bearer ${good}` }),
  ...(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'] as const).map((alg) => accepted(`verifies ${alg}`, bearer(token(goodClaims, keys[alg])))),
  ...(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'] as const).map((alg) =>
    refused(`refuses a forged payload under ${alg}`, bearer(token(goodClaims, keys[alg]).replace(/\.[^.]+\./, `.${base64url(JSON.stringify({ ...goodClaims, sub: 'mallory' }))}.`)), FAILS)),
  accepted('tries every key for a token without kid', bearer(token(goodClaims, keys.RS512, { kid: undefined }))),
  refused('refuses a kid that no key has', bearer(token(goodClaims, keys.RS256, { kid: 'nobody' })), NO_KEY),
  refused('refuses a kid whose key is for another algorithm', bearer(token(goodClaims, keys.RS256, { kid: 'es256' })), NO_KEY),
  refused('refuses a key that is not in the set', bearer(token(goodClaims, keys.stranger)), FAILS),
  refused('refuses alg none without a signature', bearer(`${base64url('{"alg":"none"}')}.${second}.`), FORM),
  refused('refuses alg none with a signature', bearer(`${base64url('{"alg":"none"}')}.${second}.${third}`), 'Jwt header [alg] is not supported'),
  refused('refuses HS256 made with the public key', bearer(`${base64url('{"alg":"HS256","kid":"rs256"}')}.${second}.${third}`), NO_KEY),
  refused('refuses one part', bearer('abc'), FORM),
  refused('refuses two parts', bearer(`${first}.${second}`), FORM),
  refused('refuses four parts', bearer(`${good}.${third}`), FORM),
  refused('refuses two Authorization headers', { headers: { authorization: [`Bearer ${good}`, `Bearer ${good}`] } }, FORM),
  refused('refuses a token behind another word', bearer(`a, Bearer ${good}`), 'Jwt header is an invalid Base64url encoded'),
  refused('refuses a header that is not base64url', bearer(`*${first}.${second}.${third}`.replace('*', 'a*')), 'Jwt header is an invalid Base64url encoded'),
  refused('refuses a header that is not JSON', bearer(`${base64url('{"alg":')}.${second}.${third}`), 'Jwt header is an invalid JSON'),
  refused('refuses a header that is not an object', bearer(`${base64url('["alg"]')}.${second}.${third}`), 'Jwt header is an invalid JSON'),
  refused('refuses a header without alg', bearer(`${base64url('{}')}.${second}.${third}`), 'Jwt header [alg] field is required and must be a string'),
  refused('refuses an alg that is no string', bearer(`${base64url('{"alg":1}')}.${second}.${third}`), 'Jwt header [alg] field is required and must be a string'),
  refused('refuses an unknown alg', bearer(`${base64url('{"alg":"XX256"}')}.${second}.${third}`), 'Jwt header [alg] is not supported'),
  refused('refuses a kid that is no string', bearer(`${base64url('{"alg":"RS256","kid":1}')}.${second}.${third}`), 'Jwt header [kid] field is not a string'),
  refused('refuses a payload that is not base64url', bearer(`${first}.a*b.${third}`), 'Jwt payload is an invalid Base64url encoded'),
  refused('refuses a payload that is not JSON', bearer(signed(`${base64url(header)}.${base64url('{"iss":')}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses a payload that is not an object', bearer(signed(`${base64url(header)}.${base64url('"text"')}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses a payload that is not UTF-8', bearer(rawToken(header, Buffer.concat([Buffer.from('{"iss":"'), Buffer.from([0xff, 0xc0]), Buffer.from('"}')]))), 'Jwt payload is an invalid JSON'),
  refused('refuses a claim that stands twice', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","sub":"a","sub":"b"}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses a signature that is not base64url', bearer(`${first}.${second}.a*b`), 'Jwt signature is an invalid Base64url encoded'),
  refused('refuses an empty payload part', bearer(`${first}..${third}`), FORM),
  ...([['iss', 1, 'is not a string'], ['sub', {}, 'is not a string'], ['jti', 7, 'is not a string'], ['aud', 7, 'is not a string or string list'], ['aud', ['api', 1], 'is not a string or string list'],
    ['iat', 'x', 'is not an integer'], ['iat', -1, 'is not a positive 64 bit integer'], ['nbf', 'x', 'is not an integer'], ['nbf', -1, 'is not a positive 64 bit integer'],
    ['exp', 'x', 'is not an integer'], ['exp', -1, 'is not a positive 64 bit integer']] as const).map(([claim, value, problem]) =>
    refused(`refuses ${claim} ${JSON.stringify(value)}`, withClaims({ [claim]: value }), `Jwt payload [${claim}] field ${problem}`)),
  refused('refuses an expired token', withClaims({ exp: now - 3600 }), 'Jwt is expired'),
  accepted('forgives 30 seconds after exp', withClaims({ exp: now - 30 })),
  refused('refuses a token before its time', withClaims({ nbf: now + 3600 }), 'Jwt not yet valid'),
  accepted('forgives 30 seconds before nbf', withClaims({ nbf: now + 30 })),
  accepted('accepts a token without exp', withClaims({ exp: undefined })),
  accepted('accepts an iat in the future', withClaims({ iat: now + 36_000 })),
  accepted('accepts a fractional exp', withClaims({ exp: now + 36_000.5 })),
  refused('refuses another issuer', withClaims({ iss: 'https://evil.example' }), 'Jwt issuer is not configured'),
  refused('refuses a token without an issuer', withClaims({ iss: undefined }), 'Jwt issuer is not configured'),
  refused('refuses another audience with 403', withClaims({ aud: 'web' }), 'Audiences in Jwt are not allowed', { status: 403 }),
  refused('refuses a token without an audience', withClaims({ aud: undefined }), 'Audiences in Jwt are not allowed', { status: 403 }),
  refused('refuses an empty list of audiences', withClaims({ aud: [] }), 'Audiences in Jwt are not allowed', { status: 403 }),
  accepted('accepts one audience of several', withClaims({ aud: ['web', 'api'] })),
  accepted('compares audiences without scheme and slash', withClaims({ aud: 'https://api/' })),
  refused('looks at the issuer before the time', withClaims({ iss: 'x', exp: 1 }), 'Jwt issuer is not configured'),
  refused('looks at the time before the audience', withClaims({ aud: 'x', exp: 1 }), 'Jwt is expired'),
  refused('looks at the audience before the signature', bearer(token({ ...goodClaims, aud: 'x' }, keys.stranger)), 'Audiences in Jwt are not allowed', { status: 403 }),
  refused('refuses a good token beside a bad one', { ...bearer(good), query: 'access_token=abc' }, FORM),
  refused('refuses a bad token beside a good one', { ...bearer(token(goodClaims, keys.stranger)), query: `access_token=${good}` }, FAILS),
  accepted('needs neither issuer nor audience where none is configured', bearer(token({ sub: 'a' })), 'anyone'),
  refused('refuses a token with an extension it does not know', bearer(token(goodClaims, keys.RS256, { crit: ['b64'], b64: false })), 'Jwt header [crit] is not supported'),
  refused('refuses an empty part between dots', bearer(`${first}.${second}..${third}`), FORM),
  refused('refuses a dot in front', bearer(`.${good}`), FORM),
  refused('refuses a second access_token that is bad', { query: `access_token=${good}&access_token=abc` }, FORM),
  refused('refuses another spelling of the same signature', bearer(`${first}.${second}.${respelled(third)}`), 'Jwt signature is an invalid Base64url encoded'),
  refused('refuses blanks inside a token', bearer(`${first}.${second}.${third.slice(0, 8)} ${third.slice(8)}`), 'Jwt signature is an invalid Base64url encoded'),
  refused('refuses padding', bearer(signed(`${padded(header)}.${padded(JSON.stringify(goodClaims))}`)), 'Jwt header is an invalid Base64url encoded'),
  refused('refuses padding behind the signature', bearer(`${good}==`), 'Jwt signature is an invalid Base64url encoded'),
  refused('refuses JSON with a comma too many', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api",}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses JSON in single quotes', bearer(rawToken(header, `{'iss':'${ISSUER}','aud':'api'}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses JSON with names without quotes', bearer(rawToken(header, `{iss:"${ISSUER}","aud":"api"}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses what follows the JSON', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api"}{}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses a number that no double holds', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","x":1e999}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses half a surrogate pair', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","x":"\\ud800"}`)), 'Jwt payload is an invalid JSON'),
  refused('refuses control characters in JSON', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","x":"\u0001"}`)), 'Jwt payload is an invalid JSON'),
  accepted('accepts escapes in JSON', bearer(rawToken(header, `{"\\u0069ss":"https:\\/\\/iss.example","aud":"\\u0061pi","x":"\\ud83d\\ude00\\n"}`))),
  accepted('accepts deep JSON', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","x":${'['.repeat(90)}${']'.repeat(90)}}`))),
  refused('refuses JSON that is too deep', bearer(rawToken(header, `{"iss":"${ISSUER}","aud":"api","x":${'['.repeat(150)}${']'.repeat(150)}}`)), 'Jwt payload is an invalid JSON'),
  accepted('takes exp 0 for none', withClaims({ exp: 0 })),
  refused('refuses an exp beyond 64 bits', withClaims({ exp: 1e30 }), 'Jwt payload [exp] field is not a positive 64 bit integer'),
  accepted('reads a large exp', withClaims({ exp: 9_007_199_254_740_991 })),
  refused('looks at the form before the issuer', bearer(token({ ...goodClaims, iss: 'x' }).slice(0, -4) + '.a*b.'), FORM),

  accepted('finds a token behind its own prefix', { headers: { 'x-token': `Token ${good}` } }, 'elsewhere'),
  accepted('finds a bare token', { headers: { 'x-bare': good } }, 'elsewhere'),
  accepted('finds a token in a cookie', { headers: { cookie: `a=1; session=${good}; b=2` } }, 'elsewhere'),
  accepted('finds a token in a parameter', { query: `a=b&jwt=${good}` }, 'elsewhere'),
  accepted('decodes a parameter', { query: `jwt=${good.replaceAll('.', '%2E')}` }, 'elsewhere'),
  refused('leaves Authorization alone where other sources are named', bearer(good), MISSING, { policy: 'elsewhere' }),
  refused('wants the prefix', { headers: { 'x-token': good } }, MISSING, { policy: 'elsewhere' }),
  refused('looks at every copy of a header', { headers: { 'x-bare': [good, 'abc'] } }, FORM, { policy: 'elsewhere' }),
  refused('looks at every source', { headers: { 'x-bare': good, cookie: 'session=abc' } }, FORM, { policy: 'elsewhere' }),

  accepted('lets a request without a token through where it is optional', {}, 'optional'),
  accepted('takes Basic for no token where it is optional', { headers: { authorization: 'Basic dXNlcjpwYXNz' } }, 'optional'),
  accepted('accepts a good token where it is optional', bearer(good), 'optional'),
  refused('refuses a bad token where it is optional', bearer(token(goodClaims, keys.stranger)), FAILS, { policy: 'optional' }),
  refused('refuses an expired token where it is optional', withClaims({ exp: 1 }), 'Jwt is expired', { policy: 'optional' }),

  accepted('accepts the first provider', bearer(good), 'two'),
  accepted('accepts the second provider', bearer(token({ iss: 'https://other.example', aud: 'other' }, keys.ES256)), 'two'),
  refused('refuses a token of neither', withClaims({ iss: 'https://third.example' }), 'Jwt issuer is not configured', { policy: 'two' }),
  refused('refuses no token for either', {}, MISSING, { policy: 'two' }),
  refused('tells what the provider of that issuer found', withClaims({ exp: 1 }), 'Jwt is expired', { policy: 'two' }),
  refused('does not take one provider\'s key for another\'s issuer', bearer(token({ iss: 'https://other.example', aud: 'other' }, keys.RS256)), NO_KEY, { policy: 'two' }),

  accepted('writes claims into headers', withClaims({ count: 5, ratio: 1.5, admin: true, user: { roles: ['a', 'b'] } }), 'headers', {
    'x-sub': 'alice', 'x-count': '5', 'x-ratio': '1.500000', 'x-admin': 'true', 'x-roles': Buffer.from('["a","b"]').toString('base64'), 'x-nothing': null,
  }),
  accepted('removes a header that the client forged', { headers: { authorization: `Bearer ${good}`, 'x-sub': 'root', 'x-nothing': 'root', 'x-admin': 'true' } }, 'headers', {
    'x-sub': 'alice', 'x-nothing': null, 'x-admin': null,
  }),

  accepted('allows when scopes and claims hold', withClaims(admin), 'claims'),
  accepted('reads scopes from a list in scp', withClaims({ ...admin, scope: undefined, scp: ['bar', 'foo'] }), 'claims'),
  accepted('takes any value of a claim', withClaims({ ...admin, user: { name: 'Jane Doe', roles: ['root'] } }), 'claims'),
  forbidden('denies when a scope is missing', { ...admin, scope: 'foo baz' }),
  forbidden('does not match part of a scope', { ...admin, scope: 'foo barbar' }),
  forbidden('denies when no value matches', { ...admin, user: { name: 'John', roles: ['admin'] } }),
  forbidden('does not match a prefix of a value', { ...admin, user: { name: 'John Doe Jr', roles: ['admin'] } }),
  forbidden('denies when a claim is absent', { scope: 'foo bar', user: { roles: ['admin'] } }),
  forbidden('denies when the claims are not nested', { ...admin, user: undefined, 'user.name': 'John Doe', 'user.roles': ['admin'] }),
  forbidden('does not take a list for a String', { ...admin, user: { name: ['John Doe'], roles: ['admin'] } }),
  forbidden('does not take a string for a StringArray', { ...admin, user: { name: 'John Doe', roles: 'admin' } }),
  forbidden('does not take a number for a string', { ...admin, user: { name: 7, roles: ['admin'] } }),
  forbidden('denies a token with no claims at all', {}),
  refused('refuses before it authorizes', {}, MISSING, { policy: 'claims' }),
  accepted('lets the first matching rule decide', withClaims({ vip: 'yes', banned: 'yes' }), 'ordered'),
  forbidden('lets a Deny rule decide', { banned: 'yes' }, 'ordered', 'banned'),
  accepted('falls back to the default action', withClaims({}), 'ordered'),
];
