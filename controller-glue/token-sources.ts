// extractFrom of a jwt provider → where its token may be.
import type { Provider } from '../policy/jwt.ts';
import type { JwtProvider } from './kinds/security-policy.ts';

/** Envoy's jwt_authn, where EG says nothing: `Authorization: Bearer …` and `?access_token=`. */
export function tokenSources(from: JwtProvider['extractFrom']): Provider['from'] {
  if (from === undefined || from.headers.length + from.cookies.length + from.params.length === 0) {
    return { headers: [{ name: 'authorization', prefix: 'Bearer ' }], params: ['access_token'], cookies: [] };
  }
  return { headers: from.headers.map(({ name, valuePrefix }) => ({ name: name.toLowerCase(), prefix: valuePrefix ?? '' })), params: from.params, cookies: from.cookies };
}
