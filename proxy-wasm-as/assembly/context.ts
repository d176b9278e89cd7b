// What a filter extends: a RootContext is one plugin configuration on one worker, an HttpContext one request.
// Ids come from the host; unknown ones are answered with "go on" only where no decision depends on it.
import { Action } from "./abi";
import { IdMap } from "./id-map";

export abstract class RootContext {
  constructor(readonly id: u32) {}
  /** The plugin configuration came. False: it is bad, and the host refuses it. */
  abstract onConfigure(configuration: ArrayBuffer): bool;
  /** A new request. */
  abstract createHttpContext(id: u32): HttpContext;
  onTick(): void {}
  /** The answer to host.httpCall. Envoy answers a timeout with :status 504 and a refused connection with 503; `headerCount` is 0 only when an answer broke off. */
  onHttpCallResponse(token: u32, headerCount: u32, bodySize: u32): void {}
}

export abstract class HttpContext {
  constructor(readonly id: u32) {}
  onRequestHeaders(endOfStream: bool): Action { return Action.Continue; }
  /** The stream is over: finished, answered, or left by the client. */
  onDelete(): void {}
}

/** Makes the root context of a plugin; set once by the filter's entry file. */
export type CreateRoot = (id: u32) => RootContext;
let createRoot: CreateRoot | null = null;
export function registerRoot(create: CreateRoot): void { createRoot = create; }

const roots = new IdMap<RootContext>();
const streams = new IdMap<HttpContext>();

export function rootOf(id: u32): RootContext | null { return roots.get(id); }
export function streamOf(id: u32): HttpContext | null { return streams.get(id); }

export function create(id: u32, parent: u32): void {
  if (parent == 0) {
    const make = createRoot;
    if (make != null) roots.set(id, make(id));
    return;
  }
  const root = rootOf(parent);
  if (root != null) streams.set(id, root.createHttpContext(id));
}

export function forget(id: u32): void {
  const stream = streamOf(id);
  if (stream != null) {
    streams.delete(id);
    stream.onDelete();
  } else roots.delete(id);
}
