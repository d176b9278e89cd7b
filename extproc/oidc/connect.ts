// How a connection to the provider is made: by name, or to addresses of the policy's choice, in turn. Names are verified either way.
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { buildConnector } from 'undici';
import type { OidcProvider } from '../../policy/oidc.ts';
import { isLoopback } from './endpoint.ts';

/** No connection was made, so nothing was said: even a request that must not be repeated may be. */
export class NotConnected extends Error {
  constructor(cause: unknown) { super('not connected', { cause }); }
}

export function connector({ connect, timeoutMs }: Pick<OidcProvider, 'connect' | 'timeoutMs'>): buildConnector.connector {
  if (connect === undefined) {
    const dial = buildConnector({ allowH2: false, timeout: timeoutMs });
    return (to, done) => dial(to, (error, socket) => { if (error === null) done(null, socket); else done(new NotConnected(error), null); });
  }
  // One that does not answer leaves time for the others.
  const timeout = Math.max(250, Math.floor(timeoutMs / connect.addresses.length));
  return (to, done) => {
    const name = connect.serverName ?? to.hostname.replace(/^\[|\]$/g, '');
    const dial = buildConnector({
      allowH2: false, timeout, ...(connect.ca === undefined ? {} : { ca: connect.ca }),
      checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) => checkServerIdentity(name, certificate),
    });
    const next = (index: number, last: unknown): void => {
      const address = connect.addresses[index];
      if (address === undefined) return done(new NotConnected(last), null);
      // Plain text stays on this machine, as it must by name.
      if (to.protocol !== 'https:' && !isLoopback(address.host)) return next(index + 1, new Error('plain text to another machine'));
      const { servername: _, ...rest } = to;
      dial({ ...rest, hostname: address.host, port: `${address.port}`, ...(to.protocol !== 'https:' || isIP(name) !== 0 ? {} : { servername: name }) }, (error, socket) => {
        if (error === null) done(null, socket); else next(index + 1, error);
      });
    };
    next(0, new Error('no address'));
  };
}
