// Under which limits a connection falls, and what it counts as there. Pure: connections.ts fetches the facts and counts.
import { Cidr, network } from "../../proxy-wasm-as/assembly/cidr";
import { ConnectionLimit, Per } from "./limits";

const NOTHING = new ArrayBuffer(0);

/** What is known of a connection. */
export class Facts {
  address: ArrayBuffer | null = null;          // of the peer; null: it has none, as on a Unix socket
  serverName: ArrayBuffer = NOTHING;           // SNI in lower case; empty: none was sent
  certificate: ArrayBuffer | null = null;      // digest of the client's; null: none, or not known yet
}

/** What the connection counts as under a limit; null: the limit is not about it. What cannot be told counts, together with all of its like. */
export function keyUnder(limit: ConnectionLimit, listener: ArrayBuffer, facts: Facts): ArrayBuffer | null {
  const address = facts.address;
  if (address != null) {
    if (limit.sources.length > 0 && !among(limit.sources, address)) return null;
    if (among(limit.allow, address)) return null;
  }
  switch (limit.per) {
    case Per.Listener: return listener;
    case Per.Gateway: return NOTHING;
    case Per.SourceIP: return address == null ? NOTHING : network(address, address.byteLength == 4 ? limit.ipv4PrefixLength : limit.ipv6PrefixLength);
    case Per.ServerName: return facts.serverName;
    default: return facts.certificate;
  }
}

function among(networks: Cidr[], address: ArrayBuffer): bool {
  for (let i = 0; i < networks.length; i++) if (networks[i].contains(address)) return true;
  return false;
}
