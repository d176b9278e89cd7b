// Where a browser goes after login: a path of the host it is on, and nothing else (RFC 9700 4.11, open redirects).
import type { OidcPolicy } from '../../policy/oidc.ts';
import { type Facts, hasCookies } from './request.ts';

/** Longer ones would make the address of the provider too long for some. */
const LONGEST = 2048;

/** A path with its query, as it may stand in a Location header; anything that a browser could take for another host is `/`. */
export function safeReturn(target: string): string {
  // Browsers read `\` as `/`, and drop tabs and line breaks wherever they are.
  return target.length <= LONGEST && /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(target) ? target : '/';
}

/** What a state of our own says: a path, or an address of a host that has the session's cookies, too. */
export function safeDestination(target: string, policy: Pick<OidcPolicy, 'cookies' | 'redirectUrl'>): string {
  const url = URL.parse(target);
  if (url === null || !policy.redirectUrl.startsWith(`${url.protocol}//`) || !hasCookies(policy, url.hostname)) return safeReturn(target);
  return `${url.origin}${safeReturn(`${url.pathname}${url.search}`)}`;
}

/** A form's data is not repeated: who posts comes back to the page that the form was on. */
export function returnTo({ method, path, query, headers, authority }: Facts): string {
  // Browsers send a `\` of a query as it is, where it is no slash.
  if (method === 'GET' || method === 'HEAD') return safeReturn(query === '' ? path : `${path}?${query.replaceAll('\\', '%5C')}`);
  const referer = headers.get('referer');
  if (referer === undefined || !URL.canParse(referer)) return '/';
  const from = new URL(referer);
  return from.host === authority.toLowerCase() ? safeReturn(`${from.pathname}${from.search}`) : '/';
}
