// What the host calls. A filter's entry file exports the ones it needs and no other: each costs a call a request.
import { Action, BodyAction, BufferType } from "./abi";
import { connectionOf, create, forget, requestOf, rootOf } from "./context";
import { buffer } from "./host";
import { allocateForHost } from "./memory";

export function proxy_abi_version_0_2_1(): void {}

/** The host puts here what it returns. */
export function proxy_on_memory_allocate(size: usize): usize { return allocateForHost(size); }

export function proxy_on_context_create(id: u32, parent: u32): void { create(id, parent); }

export function proxy_on_vm_start(id: u32, configurationSize: u32): u32 { return 1; }

export function proxy_on_configure(id: u32, configurationSize: u32): u32 {
  const root = rootOf(id);
  return root != null && root.onConfigure(buffer(BufferType.PluginConfiguration, <i32>configurationSize)) ? 1 : 0;
}

export function proxy_on_tick(id: u32): void {
  const root = rootOf(id);
  if (root != null) root.onTick();
}

export function proxy_on_queue_ready(id: u32, token: u32): void {
  const root = rootOf(id);
  if (root != null) root.onQueueReady(token);
}

export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): u32 {
  const request = requestOf(id);
  return request != null ? request.onRequestHeaders(endOfStream != 0) : Action.StopIteration;
}

export function proxy_on_response_headers(id: u32, count: u32, endOfStream: u32): u32 {
  const request = requestOf(id);
  return request != null ? request.onResponseHeaders(endOfStream != 0) : Action.Continue;
}

export function proxy_on_response_body(id: u32, size: u32, endOfStream: u32): u32 {
  const request = requestOf(id);
  return request != null ? request.onResponseBody(size, endOfStream != 0) : BodyAction.Continue;
}

export function proxy_on_response_trailers(id: u32, count: u32): u32 {
  const request = requestOf(id);
  return request != null ? request.onResponseTrailers() : Action.Continue;
}

export function proxy_on_new_connection(id: u32): u32 {
  const connection = connectionOf(id);
  return connection != null ? connection.onNewConnection() : Action.StopIteration;
}

export function proxy_on_downstream_data(id: u32, size: u32, endOfStream: u32): u32 {
  const connection = connectionOf(id);
  return connection != null ? connection.onDownstreamData(size, endOfStream != 0) : Action.StopIteration;
}

export function proxy_on_http_call_response(id: u32, token: u32, headerCount: u32, bodySize: u32, trailerCount: u32): void {
  const root = rootOf(id);
  if (root != null) root.onHttpCallResponse(token, headerCount, bodySize);
}

export function proxy_on_delete(id: u32): void { forget(id); }
