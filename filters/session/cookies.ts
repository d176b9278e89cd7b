// What a request's Cookie headers hold: the assertion, and what is left for the upstream. Pure; the order of cookies stays.
import { indexOf, slice, utf8 } from "../../proxy-wasm-as/assembly/bytes";
import { HeaderBlock } from "../../proxy-wasm-as/assembly/header-block";
import { byteAt, copyBytes, equalBytes, setByte } from "../../proxy-wasm-as/assembly/memory";

const COOKIE = utf8("cookie");
/** Every cookie of ours begins so, whatever the policy (policy/oidc.ts, COOKIE_PREFIXES). */
const PREFIXES: ArrayBuffer[] = [utf8("__Host-gatewright-"), utf8("__Secure-gatewright-"), utf8("gatewright-")];
/** Browsers keep no longer ones (RFC 6265 section 6.1). */
const MAX_COOKIE = 4096;

/** Looks through the Cookie headers of a block. Reusable. */
export class RequestCookies {
  private name: ArrayBuffer = new ArrayBuffer(0);
  private count: i32 = 0;
  private start: i32 = 0;
  private end: i32 = 0;
  /** There is a cookie of ours, of whatever policy. */
  ours: bool = false;
  /** Bytes of the cookies that are not ours. */
  private others: i32 = 0;

  /** Before the first header. `name`: of the cookie that an assertion is in. */
  begin(name: ArrayBuffer): void {
    this.name = name;
    this.count = this.others = 0;
    this.ours = false;
  }

  /** Looks through the header in hand, if it is a Cookie header. */
  look(block: HeaderBlock): void {
    if (!block.named(COOKIE)) return;
    const bytes = block.bytes;
    for (let start = block.valueStart, stop = start; start < block.valueEnd; start = stop + 1) {
      stop = crumbEnd(bytes, start, block.valueEnd);
      const from = skipBlanks(bytes, start, stop), to = trimBlanks(bytes, from, stop);
      if (isOurs(bytes, from, to)) this.ours = true;
      else this.others += to - from + 2;
      if (byteAt(bytes, from) != byteAt(this.name, 0)) continue;
      const equals = indexOf(bytes, 0x3d, from, to);
      if (equals < 0 || !equalBytes(bytes, from, trimBlanks(bytes, from, equals), this.name)) continue;
      this.count++;
      this.start = skipBlanks(bytes, equals + 1, to);
      this.end = to;
    }
  }

  /** The value of the one cookie of the name. Null: there is none, or too large a one, or several: which of them a neighbour put there nobody can tell. */
  assertion(block: HeaderBlock): ArrayBuffer | null {
    return this.count == 1 && this.end - this.start <= MAX_COOKIE ? slice(block.bytes, this.start, this.end) : null;
  }

  /** All cookies but ours, as one Cookie header; empty: none is left. */
  withoutOurs(block: HeaderBlock): ArrayBuffer {
    const bytes = block.bytes, result = new ArrayBuffer(this.others);
    let size = 0;
    block.begin(bytes);
    while (size < this.others && block.next()) {
      if (!block.named(COOKIE)) continue;
      for (let start = block.valueStart, stop = start; start < block.valueEnd; start = stop + 1) {
        stop = crumbEnd(bytes, start, block.valueEnd);
        const from = skipBlanks(bytes, start, stop), to = trimBlanks(bytes, from, stop);
        if (from == to || isOurs(bytes, from, to)) continue;
        if (size > 0) {
          setByte(result, size++, 0x3b);
          setByte(result, size++, 0x20);
        }
        size += copyBytes(result, size, bytes, from, to);
      }
    }
    return slice(result, 0, size);
  }
}

function isOurs(bytes: ArrayBuffer, start: i32, end: i32): bool {
  for (let i = 0; i < PREFIXES.length; i++) {
    const size = PREFIXES[i].byteLength;
    if (end - start >= size && equalBytes(bytes, start, start + size, PREFIXES[i])) return true;
  }
  return false;
}

function crumbEnd(bytes: ArrayBuffer, start: i32, end: i32): i32 {
  const semicolon = indexOf(bytes, 0x3b, start, end);
  return semicolon < 0 ? end : semicolon;
}

function skipBlanks(bytes: ArrayBuffer, start: i32, end: i32): i32 {
  while (start < end && (byteAt(bytes, start) == 0x20 || byteAt(bytes, start) == 0x09)) start++;
  return start;
}

function trimBlanks(bytes: ArrayBuffer, start: i32, end: i32): i32 {
  while (end > start && (byteAt(bytes, end - 1) == 0x20 || byteAt(bytes, end - 1) == 0x09)) end--;
  return end;
}
