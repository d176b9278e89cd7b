// The gateway's own addresses: what listens on this machine is not for clients, nor is a request that comes back for ever.
import { networkInterfaces } from 'node:os';
import { blockOf, parseAddress } from './address-class.ts';

const READ_EVERY_MS = 10_000;

/** Those of this machine's interfaces, read again every ten seconds, and `more`: those of load balancers in front. Loopback is a class of its own. */
export function ownAddresses(monotonic: () => number, more: readonly string[] = [], interfaces: typeof networkInterfaces = networkInterfaces): () => ReadonlySet<string> {
  let own: ReadonlySet<string> = new Set();
  let read = -Infinity;
  return () => {
    if (monotonic() - read >= READ_EVERY_MS) {
      const all = [...Object.values(interfaces()).flatMap((each) => each ?? []).map(({ address }) => address.replace(/%.*/s, '')), ...more];
      own = new Set(all.map(parseAddress).filter((address) => address !== null && blockOf(address).class !== 'Loopback').map(String));
      read = monotonic();
    }
    return own;
  };
}
