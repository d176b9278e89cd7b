// redirectURL of a SecurityPolicy: where the provider sends people back to, with EG's two variables.
import { isIP } from 'node:net';
import { OwnPath } from './kinds/oidc.ts';

export const DEFAULT_REDIRECT_URL = '%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/callback';
const PROTOCOL = '%REQ(x-forwarded-proto)%';
const AUTHORITY = '%REQ(:authority)%';

/** `scheme` undefined: that of the listener. */
export interface RedirectUrl { readonly scheme: 'http' | 'https' | undefined; readonly host: string; readonly path: string }

/** What is wrong with it, in words, is a string. */
export function redirectUrl(text: string): RedirectUrl | string {
  const [, scheme, host, path] = /^(http|https|%REQ\(x-forwarded-proto\)%):\/\/([^/?#]+)(\/.*)$/s.exec(text) ?? [];
  if (scheme === undefined || host === undefined || path === undefined) return `must be a URL such as https://www.example.com/oauth2/callback, with http, https or ${PROTOCOL} as its scheme`;
  if (path === '/') return 'must have a path other than /: all that is asked for there would be taken for an answer of the provider';
  if (!OwnPath.safeParse(path).success) return 'must have a path such as /oauth2/callback, without a query';
  if (host !== AUTHORITY && !isAuthority(host)) return `must have a host that is a name, an address or ${AUTHORITY}`;
  return { scheme: scheme === PROTOCOL ? undefined : scheme as 'http' | 'https', host: host === AUTHORITY ? host : host.toLowerCase(), path };
}

function isAuthority(text: string): boolean {
  const [, bracketed, name, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return false;
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  // What browsers would spell otherwise is not the host that they come back to.
  return name !== undefined && URL.canParse(`https://${name}/`) && new URL(`https://${name}/`).hostname === name.toLowerCase();
}
