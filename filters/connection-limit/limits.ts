// Limits as the filter works with them: what policy/connection-limit.ts describes, compiled. Data only.
import { Cidr } from "../../proxy-wasm-as/assembly/cidr";
import { ClaimMatch, RequestKey } from "../../proxy-wasm-as/assembly/request-key";

/** What is counted together. */
export enum Per { Listener = 0, Gateway = 1, SourceIP = 2, ServerName = 3, ClientCertificate = 4 }

/** No limit of this kind. */
export const NONE = 0;

export class ConnectionLimit {
  name: string = "";
  per: Per = Per.Listener;
  ipv4PrefixLength: i32 = 32;
  ipv6PrefixLength: i32 = 64;
  value: i32 = NONE;
  rateInterval: i64 = NONE;                   // nanoseconds for one connection
  rateBurst: i32 = 1;
  closeDelay: i64 = 0;                        // milliseconds
  sources: Cidr[] = [];                       // empty: all
  allow: Cidr[] = [];
  dryRun: bool = false;
}

export class ListenerLimits {
  listener: ArrayBuffer = new ArrayBuffer(0);
  limits: ConnectionLimit[] = [];
}

export class ConcurrencyLimit {
  name: string = "";
  key: RequestKey | null = null;              // null: all requests together
  value: i32 = 1;
  claims: ClaimMatch[] = [];
  httpStatus: u32 = 429;
  dryRun: bool = false;
}

export class ConcurrencyPolicy {
  name: string = "";
  limits: ConcurrencyLimit[] = [];
}
