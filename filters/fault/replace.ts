// Another answer in the place of the backend's: its status, headers or body.
import { MapType } from "../../proxy-wasm-as/assembly/abi";
import { same, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { headers, removeHeader, replaceHeader, respond } from "../../proxy-wasm-as/assembly/host";
import { byteAt } from "../../proxy-wasm-as/assembly/memory";
import { Replacement } from "./policy";

const STATUS = utf8(":status");
const DETAILS = utf8("fault_filter_replace");
const EMPTY = new ArrayBuffer(0);

/** What tells of the body that is no longer there. Trailers go with it. */
const OF_THE_BODY: string[] = [
  "content-length", "content-encoding", "content-range", "content-md5", "content-digest", "repr-digest", "digest", "transfer-encoding", "trailer", "etag", "last-modified", "accept-ranges",
];

/** Carries out all replacements, in order. True: the answer has been given, and there is nothing to let go on. */
export function replaceResponse(replacements: Replacement[]): bool {
  let body: ArrayBuffer | null = null, status: u32 = 0;
  for (let i = 0; i < replacements.length; i++) {
    const replacement = replacements[i];
    if (replacement.status != 0) status = replacement.status;
    if (replacement.body != null) body = replacement.body;
    for (let j = 0; j < replacement.removed.length; j++) removeHeader(MapType.HttpResponseHeaders, replacement.removed[j]);
    for (let j = 0; j + 1 < replacement.headers.length; j += 2) replaceHeader(MapType.HttpResponseHeaders, replacement.headers[j], replacement.headers[j + 1]);
  }
  // An answer of these has no body: bytes behind it would be read as the next answer.
  if (status == 204 || status == 205 || status == 304) body = EMPTY;
  if (body == null) {
    if (status != 0) replaceHeader(MapType.HttpResponseHeaders, STATUS, utf8(status.toString()));
    return false;
  }
  const kept: ArrayBuffer[] = [], all = headers(MapType.HttpResponseHeaders);
  for (let i = 0; i + 1 < all.length; i += 2) {
    if (same(all[i], STATUS)) {
      if (status == 0) status = parseStatus(all[i + 1]);
    } else if (!isOfTheBody(all[i])) {
      kept.push(all[i]);
      kept.push(all[i + 1]);
    }
  }
  respond(status, DETAILS, body, kept);
  return true;
}

function parseStatus(text: ArrayBuffer): u32 {
  const status = (byteAt(text, 0) - 0x30) * 100 + (byteAt(text, 1) - 0x30) * 10 + byteAt(text, 2) - 0x30;
  return text.byteLength == 3 && status >= 200 && status < 1000 ? status : 500;
}

const bodyNames: ArrayBuffer[] = OF_THE_BODY.map<ArrayBuffer>((name: string): ArrayBuffer => utf8(name));
function isOfTheBody(name: ArrayBuffer): bool {
  for (let i = 0; i < bodyNames.length; i++) if (same(name, bodyNames[i])) return true;
  return false;
}
