// Another answer in the place of the backend's: its status, headers or body.
import { MapType } from "../../proxy-wasm-as/assembly/abi";
import { same, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { header, headers, removeHeader, replaceHeader, respond } from "../../proxy-wasm-as/assembly/host";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { Replacement } from "./policy";

const STATUS = utf8(":status");
const DETAILS = utf8("fault_filter_replace");
export const EMPTY = new ArrayBuffer(0);

/** What tells of the body that is no longer there. Trailers go with it. */
const OF_THE_BODY: string[] = [
  "content-length", "content-encoding", "content-range", "content-md5", "content-digest", "repr-digest", "digest", "transfer-encoding", "trailer", "etag", "last-modified", "accept-ranges",
];

/** Carries out all replacements, in order. True: the answer has been given, and there is nothing to let go on. */
export function replaceResponse(replacements: Replacement[]): bool {
  const before = statusNow();
  let body: ArrayBuffer | null = null, status = before;
  for (let i = 0; i < replacements.length; i++) {
    if (replacements[i].status != 0) status = replacements[i].status;
    if (replacements[i].body != null) body = replacements[i].body;
  }
  // A length that stays would be that of a body that is not there, and the next answer be taken for it; or a body stays that nobody expects.
  if (hasNoBody(status) != hasNoBody(before)) body = EMPTY;
  if (body != null) for (let i = 0; i < OF_THE_BODY.length; i++) removeHeader(MapType.HttpResponseHeaders, utf8(OF_THE_BODY[i]));
  for (let i = 0; i < replacements.length; i++) {
    const replacement = replacements[i];
    for (let j = 0; j < replacement.removed.length; j++) removeHeader(MapType.HttpResponseHeaders, replacement.removed[j]);
    for (let j = 0; j + 1 < replacement.headers.length; j += 2) replaceHeader(MapType.HttpResponseHeaders, replacement.headers[j], replacement.headers[j + 1]);
  }
  if (body == null) {
    if (status != before) replaceHeader(MapType.HttpResponseHeaders, STATUS, utf8(status.toString()));
    return false;
  }
  const kept: ArrayBuffer[] = [], all = headers(MapType.HttpResponseHeaders);
  for (let i = 0; i + 1 < all.length; i += 2) {
    if (same(all[i], STATUS)) continue;
    kept.push(all[i]);
    kept.push(all[i + 1]);
  }
  respond(status, DETAILS, hasNoBody(status) ? EMPTY : body, kept);
  return true;
}

/** Such an answer has none, whatever its headers say (RFC 9110 section 6.4.1). */
export function hasNoBody(status: u32): bool { return status < 200 || status == 204 || status == 304; }

function statusNow(): u32 {
  const text = header(MapType.HttpResponseHeaders, STATUS);
  if (text == null || text.byteLength != 3) return 500;
  return (byteAt(text, 0) - 0x30) * 100 + (byteAt(text, 1) - 0x30) * 10 + byteAt(text, 2) - 0x30;
}
