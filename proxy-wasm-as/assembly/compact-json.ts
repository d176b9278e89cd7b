// A value of a parsed document as JSON text without blanks. Pure; as deep as the parser lets documents be.
import { concat, slice, utf8 } from "./bytes";
import { ABSENT, Json, JsonType } from "./json";
import { byteAt } from "./memory";

/** The bytes of `node` and all below it. */
export function compactJson(json: Json, node: i32): ArrayBuffer {
  const parts: ArrayBuffer[] = [];
  write(json, node, parts);
  return concat(parts);
}

function write(json: Json, node: i32, parts: ArrayBuffer[]): void {
  switch (json.type(node)) {
    case JsonType.Object:
    case JsonType.Array: {
      const object = json.type(node) == JsonType.Object;
      parts.push(utf8(object ? "{" : "["));
      let first = true;
      for (let child = json.first(node); child != ABSENT; child = json.next(child, node)) {
        if (!first) parts.push(utf8(","));
        first = false;
        write(json, child, parts);
        if (object) {
          parts.push(utf8(":"));
          write(json, ++child, parts);
        }
      }
      parts.push(utf8(object ? "}" : "]"));
      break;
    }
    case JsonType.String: parts.push(quoted(json.bytes, json.start(node), json.end(node))); break;
    case JsonType.Number: parts.push(slice(json.bytes, json.start(node), json.end(node))); break;
    case JsonType.True: parts.push(utf8("true")); break;
    case JsonType.False: parts.push(utf8("false")); break;
    default: parts.push(utf8("null"));
  }
}

function quoted(bytes: ArrayBuffer, start: i32, end: i32): ArrayBuffer {
  const parts: ArrayBuffer[] = [utf8('"')];
  let from = start;
  for (let i = start; i < end; i++) {
    const c = byteAt(bytes, i);
    if (c >= 0x20 && c != 0x22 && c != 0x5c) continue;
    parts.push(slice(bytes, from, i));
    from = i + 1;
    if (c == 0x22) parts.push(utf8('\\"'));
    else if (c == 0x5c) parts.push(utf8("\\\\"));
    else parts.push(utf8("\\u00" + c.toString(16).padStart(2, "0")));
  }
  parts.push(slice(bytes, from, end));
  parts.push(utf8('"'));
  return concat(parts);
}
