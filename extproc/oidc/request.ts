// A request as the login sees it: what it asks for, and whether a person is behind it who could log in.
import type { OidcPolicy } from '../../policy/oidc.ts';
import type { HeaderList } from '../header-list.ts';
import { readCookies } from './cookies.ts';

/**
 * A navigation can be sent to the provider and come back. Nothing else can: a script, an API client or a WebSocket gets a 401, and starts no login that
 * nobody would end.
 */
export type Purpose = 'navigation' | 'background' | 'preflight';

export interface Facts {
  readonly method: string;
  /** Without the query; Envoy has normalised it. */
  readonly path: string;
  /** Without `?`. */
  readonly query: string;
  readonly authority: string;
  readonly cookies: ReadonlyMap<string, string>;
  readonly purpose: Purpose;
  readonly requestId: string;
  readonly headers: HeaderList;
}

export function facts(headers: HeaderList): Facts {
  const target = headers.get(':path') ?? '';
  const question = target.indexOf('?');
  return {
    method: headers.get(':method') ?? '',
    path: question < 0 ? target : target.slice(0, question),
    query: question < 0 ? '' : target.slice(question + 1),
    authority: headers.get(':authority') ?? '',
    cookies: readCookies(headers.get('cookie')),
    purpose: purpose(headers),
    requestId: headers.get('x-request-id') ?? '',
    headers,
  };
}

/** Fetch Metadata says it where there is a browser of this decade; else what clients have always said of themselves. */
function purpose(headers: HeaderList): Purpose {
  const method = headers.get(':method');
  if (method === 'OPTIONS' && headers.has('origin') && headers.has('access-control-request-method')) return 'preflight';
  if (method !== 'GET' && method !== 'HEAD' && method !== 'POST') return 'background';
  if (headers.has('upgrade') || (headers.get('content-type') ?? '').startsWith('application/grpc')) return 'background';
  if (lookedUpAhead({ headers })) return 'background';
  const mode = headers.get('sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate' ? 'navigation' : 'background';
  if (headers.has('x-requested-with')) return 'background';
  const accept = headers.get('accept') ?? '*/*';
  if (accept.includes('text/html')) return 'navigation';
  // A form of an old browser says text/html; whoever posts and does not is a program. `*/*` alone is curl, which EG sends to the provider, too.
  return method !== 'POST' && accept.includes('*/*') && !accept.includes('json') && !accept.includes('event-stream') ? 'navigation' : 'background';
}

/** Whether nobody has clicked yet: browsers and frameworks follow links that somebody might. */
export function lookedUpAhead({ headers }: Pick<Facts, 'headers'>): boolean {
  return ['sec-purpose', 'purpose', 'x-moz'].some((name) => /prefetch|prerender/.test(headers.get(name) ?? ''));
}

/** Whether a request was made by a page of another origin: such a one must not log anybody out. */
export function fromElsewhere({ headers, authority }: Facts): boolean {
  const site = headers.get('sec-fetch-site');
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  const origin = headers.get('origin') ?? headers.get('referer');
  return origin !== undefined && hostOf(origin) !== authority.toLowerCase();
}

function hostOf(url: string): string | undefined { return URL.canParse(url) ? new URL(url).host : undefined; }

/** The callback as the provider knows it (RFC 9700 2.1: compared exactly there). Undefined: the request's host is none. */
export function redirectUri({ redirectUrl }: Pick<OidcPolicy, 'redirectUrl'>, { authority }: Pick<Facts, 'authority'>): string | undefined {
  if (!redirectUrl.includes('%REQ(:authority)%')) return redirectUrl;
  return /^[a-z0-9._-]+(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/i.test(authority) ? redirectUrl.replace('%REQ(:authority)%', authority) : undefined;
}

/** Where a browser must be for its cookies to be there at the callback: undefined when it is there. */
export function otherHost(policy: Pick<OidcPolicy, 'redirectUrl' | 'cookies'>, { authority }: Pick<Facts, 'authority'>): string | undefined {
  if (policy.redirectUrl.includes('%REQ(:authority)%')) return undefined;
  const there = new URL(policy.redirectUrl);
  const here = URL.parse(`${there.protocol}//${authority}`)?.hostname ?? '';
  return here === there.hostname || (hasCookies(policy, here) && hasCookies(policy, there.hostname)) ? undefined : there.origin;
}

/** Where the browser is to be in the end, where that is another host than the callback's: cookieDomain has both. */
export function originToReturnTo(policy: Pick<OidcPolicy, 'redirectUrl' | 'cookies'>, { authority }: Pick<Facts, 'authority'>): string | undefined {
  if (policy.redirectUrl.includes('%REQ(:authority)%')) return undefined;
  const there = new URL(policy.redirectUrl);
  const here = URL.parse(`${there.protocol}//${authority}`);
  return here === null || here.hostname === there.hostname || !hasCookies(policy, here.hostname) ? undefined : here.origin;
}

/** By cookieDomain. */
export function hasCookies({ cookies: { domain } }: Pick<OidcPolicy, 'cookies'>, host: string): boolean {
  return domain !== undefined && (host === domain || host.endsWith(`.${domain}`));
}
