// Cookies as a browser keeps them (RFC 6265bis): by host and not by port, with prefixes, Secure, SameSite and their limits.
import { isIP } from 'node:net';

export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly hostOnly: boolean;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  readonly sameSite: 'Lax' | 'Strict' | 'None';
  /** Milliseconds since the epoch; none: until the browser ends. */
  readonly expires?: number;
}

/** Of a request: whether some other site began it or stood on the way, and whether it is a navigation by a safe method. */
export interface Context { readonly crossSite: boolean; readonly safeNavigation: boolean }

const MOST_OF_A_HOST = 180;

export class CookieJar {
  #cookies: Cookie[] = [];
  readonly #now: () => number;
  /** Why cookies were not taken. */
  readonly refused: string[] = [];

  constructor(now: () => number = Date.now) { this.#now = now; }

  get cookies(): readonly Cookie[] { return this.#cookies.filter(({ expires }) => expires === undefined || expires > this.#now()); }

  /** The Cookie header of a request; longest path first. */
  header(url: URL, { crossSite, safeNavigation }: Context): string {
    return this.cookies
      .filter((cookie) => (cookie.hostOnly ? url.hostname === cookie.domain : domainMatches(url.hostname, cookie.domain)) && pathMatches(url.pathname, cookie.path))
      .filter((cookie) => !cookie.secure || url.protocol === 'https:')
      .filter(({ sameSite }) => !crossSite || sameSite === 'None' || (sameSite === 'Lax' && safeNavigation))
      .toSorted((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`).join('; ');
  }

  /** One Set-Cookie header of an answer of `url`. */
  take(header: string, url: URL, crossSite = false): void {
    const cookie = this.#parsed(header, url, crossSite);
    if (typeof cookie === 'string') { this.refused.push(`${cookie}: ${header.slice(0, 80)}`); return; }
    this.#cookies = this.#cookies.filter(({ name, domain, path }) => name !== cookie.name || domain !== cookie.domain || path !== cookie.path);
    if (cookie.expires === undefined || cookie.expires > this.#now()) this.#cookies.push(cookie);
    const mine = this.#cookies.filter(({ domain }) => domain === cookie.domain);
    if (mine.length > MOST_OF_A_HOST) this.#cookies = this.#cookies.filter((each) => each !== mine[0]);
  }

  #parsed(header: string, url: URL, crossSite: boolean): Cookie | string {
    const [pair = '', ...rest] = header.split(';');
    const equals = pair.indexOf('=');
    const name = equals < 0 ? '' : pair.slice(0, equals).trim();
    const value = pair.slice(equals + 1).trim();
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(header)) return 'control characters';
    if (name === '' && value === '') return 'empty';
    if (Buffer.byteLength(name) + Buffer.byteLength(value) > 4096) return 'longer than 4096 bytes';
    const attributes = new Map(rest.map((each) => { const [key = '', ...words] = each.split('='); return [key.trim().toLowerCase(), words.join('=').trim()] as const; }).filter(([, text]) => text.length <= 1024));
    const secure = attributes.has('secure');
    const wanted = (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase();
    const given = attributes.get('path') ?? '';
    const path = given.startsWith('/') ? given : url.pathname.slice(0, Math.max(1, url.pathname.lastIndexOf('/')));
    const [sameSite = 'Lax'] = (['Strict', 'None', 'Lax'] as const).filter((each) => each.toLowerCase() === (attributes.get('samesite') ?? '').toLowerCase());
    if (wanted !== '' && wanted !== url.hostname && (isIP(url.hostname) !== 0 || !wanted.includes('.') || !domainMatches(url.hostname, wanted))) return 'a domain of others';
    if (secure && url.protocol !== 'https:') return 'Secure over http';
    if (/^__secure-/i.test(name) && !secure) return '__Secure- without Secure';
    if (/^__host-/i.test(name) && (!secure || wanted !== '' || given !== '/')) return '__Host- without Secure, or with Domain, or of another path';
    if (sameSite === 'None' && !secure) return 'SameSite=None without Secure';
    if (crossSite && sameSite === 'Strict') return 'SameSite=Strict of another site';
    if (url.protocol !== 'https:' && this.cookies.some((each) => each.secure && each.name === name && (domainMatches(url.hostname, each.domain) || domainMatches(each.domain, url.hostname)))) return 'in place of one that is Secure';
    const expires = lifetime(attributes, this.#now());
    return { name, value, domain: wanted === '' ? url.hostname : wanted, hostOnly: wanted === '', path, secure, httpOnly: attributes.has('httponly'), sameSite, ...(expires === undefined ? {} : { expires }) };
  }
}

function lifetime(attributes: ReadonlyMap<string, string>, now: number): number | undefined {
  const age = attributes.get('max-age');
  const longest = now + 400 * 24 * 3_600_000;
  if (age !== undefined && /^-?\d+$/.test(age)) return Number(age) <= 0 ? 0 : Math.min(longest, now + Number(age) * 1000);
  const date = Date.parse(attributes.get('expires') ?? '');
  return Number.isNaN(date) ? undefined : Math.min(longest, date);
}

function domainMatches(host: string, domain: string): boolean { return host === domain || (host.endsWith(`.${domain}`) && isIP(host) === 0); }
function pathMatches(path: string, of: string): boolean { return path === of || (path.startsWith(of) && (of.endsWith('/') || path[of.length] === '/')); }

/** Scheme and registrable domain: of names in tests, their last two labels. */
export function site(url: URL): string { return `${url.protocol}//${isIP(url.hostname.replace(/^\[|\]$/g, '')) === 0 ? url.hostname.split('.').slice(-2).join('.') : url.hostname}`; }
