// The URI of a remote key set → the host to reach and what to ask it.
import { isIP } from 'node:net';
import type { IrCluster } from './ir.ts';

export interface RemoteKeysAddress { readonly cluster: IrCluster & { readonly kind: 'host' }; readonly authority: string; readonly path: string; readonly warning?: string }

/** Keys decide who is let in, so they come over verified TLS. Plain HTTP is let pass on loopback alone (development, tests), with a warning. */
export function remoteKeysAddress(uri: string): RemoteKeysAddress | string {
  let url: URL;
  try { url = new URL(uri); } catch { return 'must be a URI such as https://issuer.example/keys.json'; }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https URI';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  if (url.hash !== '') return 'must not hold a fragment';
  const tls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (host === '' || host.length > 230) return 'must name a host';
  if (!tls && !isLoopback(host)) return 'must be an https URI (plain http is for loopback addresses only)';
  const path = url.pathname + url.search;
  if (path.length > 2048) return 'must have a path of at most 2048 characters';
  const port = url.port === '' ? (tls ? 443 : 80) : Number(url.port);
  const bare = isIP(host) === 6 ? `[${host}]` : host;
  const name = `${tls ? '' : 'http://'}${bare}:${port}`;
  return {
    cluster: { kind: 'host', name, host, port, tls }, path,
    authority: url.port === '' ? bare : `${bare}:${port}`,
    ...(tls ? {} : { warning: 'keys are fetched without TLS' }),
  };
}

function isLoopback(host: string): boolean { return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.')); }
