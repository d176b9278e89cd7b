// Claims of a verified payload: finding one, comparing it, and what it looks like in a header. Pure.
import { encodeBase64 } from "../../proxy-wasm-as/assembly/base64url";
import { utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { ABSENT, Json, JsonType } from "../../proxy-wasm-as/assembly/json";
import { byteAt, equalBytes } from "../../proxy-wasm-as/assembly/memory";
import { compactJson } from "../../proxy-wasm-as/assembly/compact-json";

const SCOPE = utf8("scope"), SCP = utf8("scp");
const TRUE = utf8("true"), FALSE = utf8("false");

/** The claim at the end of a path of names, or ABSENT. */
export function claimAt(payload: Json, path: ArrayBuffer[]): i32 {
  let node = payload.root;
  for (let i = 0; i < path.length; i++) node = payload.get(node, path[i]);
  return node;
}

/** Whether the claim is a string (or, with `array`, a list with a string) that equals one of the values. */
export function claimMatches(payload: Json, path: ArrayBuffer[], array: bool, values: ArrayBuffer[]): bool {
  const node = claimAt(payload, path);
  for (let i = 0; i < values.length; i++) {
    if (!array) {
      if (payload.is(node, values[i])) return true;
    } else if (payload.type(node) == JsonType.Array) {
      if (listHas(payload, node, values[i])) return true;
    } else if (path.length == 1 && isScopeName(path[0]) && wordsHave(payload, node, values[i])) return true;
  }
  return false;
}

/** Whether all scopes are in `scope`, or all in `scp`; each a list, or a string of words (RFC 8693 section 4.2). */
export function hasScopes(payload: Json, scopes: ArrayBuffer[]): bool {
  return allIn(payload, payload.get(payload.root, SCOPE), scopes) || allIn(payload, payload.get(payload.root, SCP), scopes);
}

function allIn(payload: Json, node: i32, scopes: ArrayBuffer[]): bool {
  for (let i = 0; i < scopes.length; i++) {
    if (!listHas(payload, node, scopes[i]) && !wordsHave(payload, node, scopes[i])) return false;
  }
  return true;
}

function listHas(payload: Json, node: i32, value: ArrayBuffer): bool {
  if (payload.type(node) != JsonType.Array) return false;
  for (let item = payload.first(node); item != ABSENT; item = payload.next(item, node)) {
    if (payload.is(item, value)) return true;
  }
  return false;
}

function wordsHave(payload: Json, node: i32, value: ArrayBuffer): bool {
  if (payload.type(node) != JsonType.String) return false;
  const end = payload.end(node);
  let start = payload.start(node);
  for (let i = start; i <= end; i++) {
    if (i < end && byteAt(payload.bytes, i) != 0x20) continue;
    if (i > start && equalBytes(payload.bytes, start, i, value)) return true;
    start = i + 1;
  }
  return false;
}

function isScopeName(name: ArrayBuffer): bool {
  return equalBytes(name, 0, name.byteLength, SCOPE) || equalBytes(name, 0, name.byteLength, SCP);
}

/**
 * A claim as a header value, as Envoy's claim_to_headers writes it: text as it is, integers from 0 on plain, other numbers
 * with six decimals, lists and objects as Base64 of compact JSON. Null: no header (absent, null, empty, or text that holds control
 * characters, which would end the header).
 */
export function headerValue(payload: Json, path: ArrayBuffer[]): ArrayBuffer | null {
  const node = claimAt(payload, path);
  switch (payload.type(node)) {
    case JsonType.String: {
      const value = payload.string(node);
      if (value.byteLength == 0) return null;
      for (let i = 0; i < value.byteLength; i++) if (byteAt(value, i) < 0x20 || byteAt(value, i) == 0x7f) return null;
      return value;
    }
    case JsonType.True: return TRUE;
    case JsonType.False: return FALSE;
    case JsonType.Number: return utf8(numberText(payload.number(node)));
    case JsonType.Array:
    case JsonType.Object: {
      const json = compactJson(payload, node);
      return encodeBase64(json, 0, json.byteLength);
    }
    default: return null;
  }
}

function numberText(value: f64): string {
  if (value >= 0 && value < 18446744073709551615.0 && Math.floor(value) == value) return (<u64>value).toString();
  if (Math.abs(value) >= 9007199254740992.0) return value.toString();
  const negative = value < 0;
  const millionths = <u64>Math.floor(Math.abs(value) * 1e6 + 0.5);
  const decimals = (millionths % 1_000_000).toString().padStart(6, "0");
  return (negative ? "-" : "") + (millionths / 1_000_000).toString() + "." + decimals;
}
