// A policy as the filter works with it: what policy/fault.ts describes, compiled. Data only.
import { RequestKey } from "../../proxy-wasm-as/assembly/request-key";
import { Seed } from "./dice";
import { Latency } from "./latency";
import { Match } from "./match";
import { Schedule } from "./schedule";

export class Delay {
  chance: u32 = 0;                          // of dice.ts' SIDES, as all chances
  latency: Latency | null = null;           // null: the request says it in a header
  jitter: f64 = 0;
  most: f64 = 0;
}

export class Abort {
  chance: u32 = 0;
  byHeader: bool = false;
  reset: bool = false;
  httpStatus: u32 = 0;                      // 0: the one that maps to grpcStatus
  grpcStatus: i32 = -1;                     // -1: the one that maps to httpStatus
  body: ArrayBuffer = new ArrayBuffer(0);
  headers: ArrayBuffer[] = [];              // name, value, …
}

export class Replacement {
  chance: u32 = 0;
  status: u32 = 0;                          // 0: as it was
  headers: ArrayBuffer[] = [];              // name, value, …; names in lower case
  removed: ArrayBuffer[] = [];              // in lower case
  body: ArrayBuffer | null = null;          // null: as it was
}

export class RateLimit {
  chance: u32 = 0;
  kibibytes: f64 = 0;                       // a second; 0: the request says it in a header
}

export class Fault {
  match: Match | null = null;
  schedule: Schedule | null = null;
  sticky: RequestKey | null = null;
  dryRun: bool = false;
  delay: Delay | null = null;
  abort: Abort | null = null;
  responseDelay: Delay | null = null;
  replacement: Replacement | null = null;
  rateLimit: RateLimit | null = null;
  constructor(readonly seed: Seed) {}
}

export class Policy {
  faults: Fault[] = [];
  scheduled: bool = false;                  // one of them has a schedule
  maxActive: i32 = 0;                       // 0: any number
  timeout: i64 = 0;                         // milliseconds from the headers to the answer of a request that is delayed; 0: none
  name: ArrayBuffer = new ArrayBuffer(0);   // what active faults are counted under
}
