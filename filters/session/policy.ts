// A policy as the filter works with it: what policy/session.ts describes. Data only.
import { normalPath } from "../../proxy-wasm-as/assembly/normal-path";

export class OwnPath {
  /** As a careful upstream reads it. */
  readonly normal: ArrayBuffer;
  constructor(readonly path: ArrayBuffer) { this.normal = normalPath(path); }
}

export class Policy {
  scope: ArrayBuffer = new ArrayBuffer(0);
  cookie: ArrayBuffer = new ArrayBuffer(0);
  paths: OwnPath[] = [];
  removeHeaders: ArrayBuffer[] = [];
}
