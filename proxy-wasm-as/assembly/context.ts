// What a filter extends: a RootContext is one plugin configuration on one worker, an HttpContext one request, a ConnectionContext one connection.
// Ids come from the host; unknown ones are answered with "go on" only where no decision depends on it.
import { Action, BodyAction } from "./abi";
import { IdMap } from "./id-map";

export abstract class RootContext {
  constructor(readonly id: u32) {}
  /** The plugin configuration came. False: it is bad, and the host refuses it. */
  abstract onConfigure(configuration: ArrayBuffer): bool;
  /** A new stream: an HttpContext in an HTTP filter, a ConnectionContext in a network filter. */
  abstract createContext(id: u32): StreamContext;
  onTick(): void {}
  /** Something is in a shared queue of this VM's, or a turn has come that was asked for (turns.ts). */
  onQueueReady(token: u32): void {}
  /** The answer to host.httpCall. Envoy answers a timeout with :status 504 and a refused connection with 503; `headerCount` is 0 only when an answer broke off. */
  onHttpCallResponse(token: u32, headerCount: u32, bodySize: u32): void {}
}

/** A request or a connection. */
export abstract class StreamContext {
  /** `id` changes only where a filter uses an object again for another stream, after onDelete(). */
  constructor(public id: u32) {}
  /** The stream is over: finished, answered, or left by the client. */
  onDelete(): void {}
}

/** One request, in an HTTP filter. */
export abstract class HttpContext extends StreamContext {
  onRequestHeaders(endOfStream: bool): Action { return Action.Continue; }
  onResponseHeaders(endOfStream: bool): Action { return Action.Continue; }
  /** `size`: of what came now, with what came before and was stopped by StopAndBuffer. What StopAndWatermark stopped is out of sight until it goes on. */
  onResponseBody(size: u32, endOfStream: bool): BodyAction { return BodyAction.Continue; }
  /** Trailers let a body that waits go on, unless they are stopped too. */
  onResponseTrailers(): Action { return Action.Continue; }
}

/** One connection, in a network filter. */
export abstract class ConnectionContext extends StreamContext {
  /** Stopped here, later filters do not begin. The client is read all the same: data that onDownstreamData lets pass, and it begins. */
  onNewConnection(): Action { return Action.Continue; }
  onDownstreamData(size: u32, endOfStream: bool): Action { return Action.Continue; }
}

/** Makes the root context of a plugin; set once by the filter's entry file. */
export type CreateRoot = (id: u32) => RootContext;
let createRoot: CreateRoot | null = null;
export function registerRoot(create: CreateRoot): void { createRoot = create; }

const roots = new IdMap<RootContext>();
const streams = new IdMap<StreamContext>();

export function rootOf(id: u32): RootContext | null { return roots.get(id); }
export function requestOf(id: u32): HttpContext | null {
  const stream = streams.get(id);
  return stream instanceof HttpContext ? changetype<HttpContext>(stream) : null;
}
export function connectionOf(id: u32): ConnectionContext | null {
  const stream = streams.get(id);
  return stream instanceof ConnectionContext ? changetype<ConnectionContext>(stream) : null;
}

export function create(id: u32, parent: u32): void {
  if (parent == 0) {
    const make = createRoot;
    if (make != null) roots.set(id, make(id));
    return;
  }
  const root = rootOf(parent);
  if (root != null) streams.set(id, root.createContext(id));
}

export function forget(id: u32): void {
  const stream = streams.get(id);
  if (stream != null) {
    streams.delete(id);
    stream.onDelete();
  } else roots.delete(id);
}
