// Where a browser goes after login: a path of the host it is on, and nothing else (RFC 9700 4.11, open redirects).
import type { Facts } from './request.ts';

/** Longer ones would make the address of the provider too long for some. */
const LONGEST = 2048;

/** A path with its query, as it may stand in a Location header; anything that a browser could take for another host is `/`. */
export function safeReturn(target: string): string {
  // Browsers read `\` as `/`, and drop tabs and line breaks wherever they are.
  return target.length <= LONGEST && /^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(target) ? target : '/';
}

/** A form's data is not repeated: who posts comes back to the page that the form was on. */
export function returnTo({ method, path, query, headers, authority }: Facts): string {
  if (method === 'GET' || method === 'HEAD') return safeReturn(query === '' ? path : `${path}?${query}`);
  const referer = headers.get('referer');
  if (referer === undefined || !URL.canParse(referer)) return '/';
  const from = new URL(referer);
  return from.host === authority.toLowerCase() ? safeReturn(`${from.pathname}${from.search}`) : '/';
}
