// The Cookie and Set-Cookie headers (RFC 6265).
import { COOKIE_PREFIXES } from '../../policy/oidc.ts';

/** Envoy takes 60 KiB of headers if not told otherwise. */
const MAX_HEADER = 262_144;
const MAX_COOKIES = 1_000;

/**
 * What is there twice with different values is not there: one of the two may have been put beside ours by a neighbour (another path, a host below the same domain),
 * and nothing in the header tells which; the order is the neighbour's to choose. Twice with the same value is one. More than a browser sends: none at all, for what
 * is cut off could be the second of two.
 */
export function readCookies(header: string | undefined): Map<string, string> {
  const cookies = new Map<string, string>();
  if (header === undefined || header.length > MAX_HEADER) return cookies;
  const pairs = header.split(';', MAX_COOKIES + 1);
  if (pairs.length > MAX_COOKIES) return cookies;
  const ambiguous = new Set<string>();
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    if (equals === -1) continue;
    const name = trimmed(pair.slice(0, equals));
    const value = trimmed(pair.slice(equals + 1));
    if (cookies.has(name) && cookies.get(name) !== value) ambiguous.add(name);
    else cookies.set(name, value);
  }
  for (const name of ambiguous) cookies.delete(name);
  return cookies;
}

/** The Cookie header without ours. Undefined: nothing is left. */
export function withoutOurs(header: string | undefined): string | undefined {
  if (header === undefined || !COOKIE_PREFIXES.some((prefix) => header.includes(prefix))) return header;
  const others = header.split(';').map(trimmed).filter((pair) => pair !== '' && !COOKIE_PREFIXES.some((prefix) => pair.startsWith(prefix)));
  return others.length === 0 ? undefined : others.join('; ');
}

export interface Cookie {
  readonly name: string;
  readonly value: string;
  /** `/` if not given. */
  readonly path?: string;
  /** 0 deletes. */
  readonly maxAgeMs: number;
  readonly secure: boolean;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  readonly domain?: string | undefined;
}

/** The value of a Set-Cookie header; always HttpOnly. To delete a cookie it takes the attributes that it was set with. */
export function setCookie({ name, value, path = '/', maxAgeMs, secure, sameSite, domain }: Cookie): string {
  // RFC 6265 section 4.1.1; what breaks it would be an attribute, or a header, of its own.
  if (!/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || !/^[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]*$/.test(value)) throw new Error('not a cookie');
  if (!/^\/[\x20-\x3A\x3C-\x7E]*$/.test(path) || (domain !== undefined && !/^[\w.-]+$/.test(domain))) throw new Error('not an attribute of a cookie');
  const age = Math.max(0, Math.ceil(maxAgeMs / 1000));
  return [`${name}=${value}`, `Path=${path}`, ...(domain === undefined ? [] : [`Domain=${domain}`]), `Max-Age=${age}`, 'HttpOnly', ...(secure ? ['Secure'] : []), `SameSite=${sameSite}`].join('; ');
}

// Of the optional white space that is all there is (String.trim takes more), and by hand: a regular expression takes quadratic time for a long run of it.
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isSpace(text.charCodeAt(from))) from++;
  while (to > from && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}
function isSpace(code: number): boolean { return code === 0x20 || code === 0x09; }
