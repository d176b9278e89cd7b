// What a request brings, fetched from the host when first asked for.
import { MapType } from "./abi";
import { same, utf8 } from "./bytes";
import { header, headers, property, propertyPath } from "./host";

const PATH = utf8(":path"), AUTHORITY = utf8(":authority"), METHOD = utf8(":method");
const ROUTE_NAME = propertyPath(["xds", "route_name"]);
const NOTHING = new ArrayBuffer(0);

export class Request {
  private pathRead: ArrayBuffer | null = null;
  private all: ArrayBuffer[] | null = null;

  /** Forgets what was fetched: the object is about another request from here on. */
  renew(): void {
    this.pathRead = null;
    this.all = null;
  }

  get path(): ArrayBuffer {
    let path = this.pathRead;
    if (path == null) {
      path = this.first(PATH);
      this.pathRead = path;
    }
    return path;
  }

  get method(): ArrayBuffer { return this.first(METHOD); }
  get authority(): ArrayBuffer { return this.first(AUTHORITY); }
  get routeName(): ArrayBuffer {
    const name = property(ROUTE_NAME);
    return name == null ? NOTHING : name;
  }

  /** The first value of a header; empty when there is none. */
  first(name: ArrayBuffer): ArrayBuffer {
    const value = header(MapType.HttpRequestHeaders, name);
    return value == null ? NOTHING : value;
  }

  /** Every value of a header, each line by itself. */
  values(name: ArrayBuffer): ArrayBuffer[] {
    let all = this.all;
    if (all == null) {
      all = headers(MapType.HttpRequestHeaders);
      this.all = all;
    }
    const values: ArrayBuffer[] = [];
    for (let i = 0; i + 1 < all.length; i += 2) if (same(all[i], name)) values.push(all[i + 1]);
    return values;
  }
}
