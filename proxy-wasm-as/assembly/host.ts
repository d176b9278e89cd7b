// What the host can do, in words. Absent is null, empty is an empty buffer, failure is a value; nothing here traps.
import {
  BufferType, LogLevel, MapType, Status, StreamType, clock_time_get, proxy_call_foreign_function, proxy_close_stream, proxy_continue_stream,
  proxy_get_buffer_bytes, proxy_get_current_time_nanoseconds, proxy_get_header_map_pairs, proxy_get_header_map_value, proxy_get_property,
  proxy_http_call, proxy_log, proxy_remove_header_map_value, proxy_replace_header_map_value,
  proxy_send_local_response, proxy_set_effective_context, proxy_set_property, proxy_set_tick_period_milliseconds,
} from "./abi";
import { addressOf, byteAt, copyBytes, expectHostBytes, expectHostBytesIn, outAddress, outSize, setByte, takeHostBytes, takeHostU32, takeHostU64 } from "./memory";
import { decodePairs, encodePairs } from "./pairs";
import { utf8 } from "./bytes";

const NOTHING = new ArrayBuffer(0);
const SET_FILTER_STATE = utf8("set_envoy_filter_state");

/** Writes a line to the host's log. Never give it anything a client sent. */
export function log(level: LogLevel, message: string): void {
  const bytes = utf8(message);
  proxy_log(level, addressOf(bytes), bytes.byteLength);
}

/** Wall clock, nanoseconds since the epoch; far in the future when the host has none: everything has expired then. */
export function nowNanoseconds(): i64 {
  return proxy_get_current_time_nanoseconds(outAddress()) == Status.Ok ? <i64>takeHostU64() : i64.MAX_VALUE / 2;
}

/** The same in milliseconds. */
export function now(): i64 { return nowNanoseconds() / 1_000_000; }

const MONOTONIC = 1;                                                // WASI's clockid

/** Nanoseconds of a clock that nobody sets: the same for all workers, its zero is anywhere. The wall clock where the host has no such. */
export function uptimeNanoseconds(): i64 {
  if (clock_time_get(MONOTONIC, 1, outAddress()) == 0) return <i64>takeHostU64();
  return nowNanoseconds();
}

/** The same in milliseconds. */
export function uptime(): i64 { return uptimeNanoseconds() / 1_000_000; }

/** Calls onTick() every so many milliseconds; 0: never again. */
export function setTickPeriod(milliseconds: u32): void { proxy_set_tick_period_milliseconds(milliseconds); }

/** The path of a property, ready for property(): segments joined by NUL (a segment may hold dots). */
export function propertyPath(segments: string[]): ArrayBuffer { return utf8(segments.join("\0")); }

/** A property's bytes, or null when the host has none. */
export function property(path: ArrayBuffer): ArrayBuffer | null {
  expectHostBytes();
  if (proxy_get_property(addressOf(path), path.byteLength, outAddress(), outSize()) != Status.Ok) return null;
  return takeHostBytes();
}

/** A property that is read again and again and not kept: the answer may be `known` itself, written over, where it has that size. */
export function propertyOver(path: ArrayBuffer, known: ArrayBuffer): ArrayBuffer | null {
  expectHostBytesIn(known);
  const found = proxy_get_property(addressOf(path), path.byteLength, outAddress(), outSize()) == Status.Ok;
  const bytes = takeHostBytes();
  return found ? bytes : null;
}

/** Sets filter state `wasm.<key>`; once a stream, later values are refused by Envoy. */
export function setFilterState(key: ArrayBuffer, value: ArrayBuffer): bool {
  return proxy_set_property(addressOf(key), key.byteLength, addressOf(value), value.byteLength) == Status.Ok;
}

/** The argument of setEnvoyFilterState(), to be used again and again. Empty where key or value is longer than 127 bytes. */
export function envoyFilterState(key: string, value: ArrayBuffer): ArrayBuffer {
  const path = utf8(key);
  if (path.byteLength > 127 || value.byteLength > 127) return NOTHING;
  const argument = new ArrayBuffer(4 + path.byteLength + value.byteLength);
  let at = 0;
  setByte(argument, at++, 0x0a);                                 // protobuf: 1 path, 2 value; without 3 it lasts as long as the filter chain
  setByte(argument, at++, path.byteLength);
  at += copyBytes(argument, at, path, 0, path.byteLength);
  setByte(argument, at++, 0x12);
  setByte(argument, at++, value.byteLength);
  copyBytes(argument, at, value, 0, value.byteLength);
  return argument;
}

/** Sets filter state that Envoy itself reads, such as envoy.network.upstream_server_name. False: refused, as a value is that Envoy cannot read. */
export function setEnvoyFilterState(argument: ArrayBuffer): bool {
  expectHostBytes();
  const status = proxy_call_foreign_function(
    addressOf(SET_FILTER_STATE), SET_FILTER_STATE.byteLength, addressOf(argument), argument.byteLength, outAddress(), outSize());
  takeHostBytes();
  return argument.byteLength > 0 && status == Status.Ok;
}

/** The value of a header (the first one, where a name repeats), or null. */
export function header(map: MapType, name: ArrayBuffer): ArrayBuffer | null {
  expectHostBytes();
  if (proxy_get_header_map_value(map, addressOf(name), name.byteLength, outAddress(), outSize()) != Status.Ok) return null;
  return takeHostBytes();
}

/** All headers: [name, value, name, value, …]. */
export function headers(map: MapType): ArrayBuffer[] { return decodePairs(headerBytes(map)); }

/** All headers in one block, for a HeaderBlock. */
export function headerBytes(map: MapType): ArrayBuffer {
  expectHostBytes();
  return proxy_get_header_map_pairs(map, outAddress(), outSize()) == Status.Ok ? takeHostBytes() : NOTHING;
}

/** Sets a header, removing all others of the name. Envoy chooses the route anew after it. */
export function replaceHeader(map: MapType, name: ArrayBuffer, value: ArrayBuffer): void {
  proxy_replace_header_map_value(map, addressOf(name), name.byteLength, addressOf(value), value.byteLength);
}

/** Removes all headers of a name. Envoy chooses the route anew after it. */
export function removeHeader(map: MapType, name: ArrayBuffer): void {
  proxy_remove_header_map_value(map, addressOf(name), name.byteLength);
}

/** The whole of a buffer up to `max` bytes; empty when the host has none. */
export function buffer(type: BufferType, max: i32): ArrayBuffer {
  expectHostBytes();
  if (proxy_get_buffer_bytes(type, 0, max, outAddress(), outSize()) != Status.Ok) return NOTHING;
  return takeHostBytes();
}

/**
 * Answers the request from here. The stream is over, whatever the callback returns. `headers` is [name, value, …].
 * A gRPC request gets `grpcStatus` in gRPC's form; -1: the one that maps from `status`.
 */
export function respond(status: u32, details: ArrayBuffer, body: ArrayBuffer, headers: ArrayBuffer[], grpcStatus: i32 = -1): void {
  const pairs = encodePairs(headers);
  proxy_send_local_response(
    status, addressOf(details), details.byteLength, addressOf(body), body.byteLength, addressOf(pairs), pairs.byteLength, grpcStatus);
}

/** Makes a stream the one that the following calls are about. False when it is gone. */
export function enterContext(id: u32): bool { return proxy_set_effective_context(id) == Status.Ok; }

/** Lets a held request go on, after the callback has returned. */
export function resumeRequest(): void { proxy_continue_stream(StreamType.Request); }

/** Lets a held response (its headers, or the body that waits) go on, after the callback has returned. */
export function resumeResponse(): void { proxy_continue_stream(StreamType.Response); }

/** Resets the stream of the request in hand, after the callback has returned: no answer; on HTTP/1 the connection closes. */
export function resetRequest(): void { proxy_close_stream(StreamType.Request); }

/** Lets the data of a held connection go on, after the callback has returned. */
export function resumeConnection(): void { proxy_continue_stream(StreamType.Downstream); }

/** Closes the connection in hand, after the callback has returned. */
export function closeConnection(): void { proxy_close_stream(StreamType.Downstream); }

/**
 * Sends an HTTP request to a cluster. The answer comes to RootContext.onHttpCallResponse with the token returned here.
 * 0 when the host refuses it: an unknown or warming cluster, or a header missing (:method, :path, :authority).
 */
export function httpCall(cluster: ArrayBuffer, headers: ArrayBuffer[], timeoutMilliseconds: u32): u32 {
  const pairs = encodePairs(headers);
  const none = encodePairs([]);
  const status = proxy_http_call(
    addressOf(cluster), cluster.byteLength, addressOf(pairs), pairs.byteLength, addressOf(NOTHING), 0,
    addressOf(none), none.byteLength, timeoutMilliseconds, outAddress());
  return status == Status.Ok ? takeHostU32() : 0;
}

/** Calls a foreign function whose answer is a small protobuf: its first two bytes, little-endian; 0 when it failed. */
export function foreignFlag(name: ArrayBuffer, argument: ArrayBuffer, size: i32): u32 {
  expectHostBytes();
  const status = proxy_call_foreign_function(
    addressOf(name), name.byteLength, addressOf(argument), size, outAddress(), outSize());
  if (status != Status.Ok) return 0;
  const answer = takeHostBytes();
  return byteAt(answer, 0) | (byteAt(answer, 1) << 8);
}
