// Which requests a fault is for.
import { find, indexOf, same } from "../../proxy-wasm-as/assembly/bytes";
import { property } from "../../proxy-wasm-as/assembly/host";
import { ClaimMatch } from "../../proxy-wasm-as/assembly/request-key";
import { Facts } from "./facts";
import { NO_INTEGER, integer } from "./header-integer";

export enum HeaderMatchType { Exact = 0, Prefix = 1, Suffix = 2, Contains = 3, Present = 4, Range = 5 }

/** As Envoy's HeaderMatcher: of repeated headers one value is enough; one that is absent never matches but Present, inverted. */
export class HeaderMatch {
  type: HeaderMatchType = HeaderMatchType.Exact;
  name: ArrayBuffer = new ArrayBuffer(0);       // in lower case
  path: ArrayBuffer = new ArrayBuffer(0);       // of the property that has its values, joined by commas
  value: ArrayBuffer = new ArrayBuffer(0);
  start: i64 = 0;
  end: i64 = 0;
  invert: bool = false;

  holds(facts: Facts): bool {
    const joined = property(this.path);
    if (this.type == HeaderMatchType.Present) return (joined != null) != this.invert;
    if (joined == null) return false;
    // Where there is no comma there is one value: all headers need not be fetched to tell them apart.
    if (indexOf(joined, 0x2c, 0, joined.byteLength) < 0) return this.fits(joined) != this.invert;
    const values = facts.values(this.name);
    for (let i = 0; i < values.length; i++) if (this.fits(values[i])) return !this.invert;
    return this.invert;
  }

  private fits(value: ArrayBuffer): bool {
    const size = value.byteLength, wanted = this.value.byteLength;
    switch (this.type) {
      case HeaderMatchType.Exact: return same(value, this.value);
      case HeaderMatchType.Prefix: return find(value, 0, min(size, wanted), this.value) == 0;
      case HeaderMatchType.Suffix: return size >= wanted && find(value, size - wanted, size, this.value) >= 0;
      case HeaderMatchType.Contains: return find(value, 0, size, this.value) >= 0;
      default: {
        const number = integer(value);
        return number != NO_INTEGER && number >= this.start && number < this.end;
      }
    }
  }
}

export class Match {
  headers: HeaderMatch[] = [];
  clusters: ArrayBuffer[] = [];                 // empty: any, as below
  nodes: ArrayBuffer[] = [];
  claims: ClaimMatch[] = [];

  holds(facts: Facts): bool {
    if (this.clusters.length > 0 && !isOneOf(facts.cluster, this.clusters)) return false;
    if (this.nodes.length > 0 && !isOneOf(facts.node, this.nodes)) return false;
    for (let i = 0; i < this.headers.length; i++) if (!this.headers[i].holds(facts)) return false;
    for (let i = 0; i < this.claims.length; i++) if (!this.claims[i].holds()) return false;
    return true;
  }
}

function isOneOf(value: ArrayBuffer, values: ArrayBuffer[]): bool {
  for (let i = 0; i < values.length; i++) if (same(value, values[i])) return true;
  return false;
}
