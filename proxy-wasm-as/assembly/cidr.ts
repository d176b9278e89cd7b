// IP addresses and networks of them. An address is 4 or 16 bytes; one of IPv4 that is written as IPv6 (::ffff:192.0.2.1) is 4.
import { slice } from "./bytes";
import { byteAt, setByte } from "./memory";

const IPV4 = 4, IPV6 = 16;
const MAPPED = 96;                                                  // bits in front of an IPv4 address in its IPv6 form

/** The address of [start, end); null when it is none. */
export function parseAddress(text: ArrayBuffer, start: i32 = 0, end: i32 = i32.MAX_VALUE): ArrayBuffer | null {
  const bytes = parse(text, start, min(end, text.byteLength));
  return bytes != null && isMapped(bytes) ? slice(bytes, MAPPED / 8) : bytes;
}

/** The address in "192.0.2.1:443" or "[2001:db8::1]:443", as the properties source.address and destination.address have it. */
export function peerAddress(text: ArrayBuffer): ArrayBuffer | null {
  let colon = text.byteLength - 1;
  while (colon > 0 && byteAt(text, colon) != 0x3a) colon--;
  if (byteAt(text, 0) != 0x5b) return parseAddress(text, 0, colon);
  let end = 1;                                                      // a link-local address has its zone behind a percent sign
  while (end < colon && byteAt(text, end) != 0x5d && byteAt(text, end) != 0x25) end++;
  return parseAddress(text, 1, end);
}

/** The first bits of an address, the others cleared. */
export function network(address: ArrayBuffer, bits: i32): ArrayBuffer {
  const result = slice(address, 0);
  for (let i = bits / 8, rest = bits % 8; i < result.byteLength; i++, rest = 0) setByte(result, i, byteAt(result, i) & (0xff00 >> rest));
  return result;
}

export class Cidr {
  private constructor(private address: ArrayBuffer, private bits: i32) {}

  /** "10.0.0.0/8", "2001:db8::/32"; null when it is none. */
  static parse(text: ArrayBuffer): Cidr | null {
    let slash = 0;
    while (slash < text.byteLength && byteAt(text, slash) != 0x2f) slash++;
    const address = parse(text, 0, slash);
    const bits = number(text, slash + 1, text.byteLength, 3);
    if (address == null || bits < 0 || bits > address.byteLength * 8) return null;
    return bits >= MAPPED && isMapped(address) ? new Cidr(slice(address, MAPPED / 8), bits - MAPPED) : new Cidr(address, bits);
  }

  contains(address: ArrayBuffer): bool {
    if (address.byteLength != this.address.byteLength) return false;
    const whole = this.bits / 8;
    for (let i = 0; i < whole; i++) if (byteAt(address, i) != byteAt(this.address, i)) return false;
    const rest = this.bits % 8;
    return rest == 0 || (byteAt(address, whole) ^ byteAt(this.address, whole)) >> (8 - rest) == 0;
  }
}

function isMapped(address: ArrayBuffer): bool {
  if (address.byteLength != IPV6) return false;
  for (let i = 0; i < 12; i++) if (byteAt(address, i) != (i < 10 ? 0 : 0xff)) return false;
  return true;
}

function parse(text: ArrayBuffer, start: i32, end: i32): ArrayBuffer | null {
  for (let i = start; i < end; i++) if (byteAt(text, i) == 0x3a) return parse6(text, start, end);
  const address = new ArrayBuffer(IPV4);
  return parse4(text, start, end, address, 0) ? address : null;
}

/** Four decimal numbers, into [at, at + 4). */
function parse4(text: ArrayBuffer, start: i32, end: i32, address: ArrayBuffer, at: i32): bool {
  for (let i = 0; i < IPV4; i++) {
    let dot = start;
    while (dot < end && byteAt(text, dot) != 0x2e) dot++;
    const value = number(text, start, dot, 3);
    if (value < 0 || value > 255 || (dot < end) != (i < IPV4 - 1)) return false;
    setByte(address, at + i, value);
    start = dot + 1;
  }
  return true;
}

/** Eight groups of hexadecimal digits; `::` once for one group or more of zeros; the last two may be written as IPv4. */
function parse6(text: ArrayBuffer, start: i32, end: i32): ArrayBuffer | null {
  const address = new ArrayBuffer(IPV6);
  let at = 0, zeros = -1, i = start;
  if (byteAt(text, i) == 0x3a && byteAt(text, i + 1) != 0x3a) return null;
  while (i < end) {
    if (at >= IPV6) return null;
    if (byteAt(text, i) == 0x3a) {                                  // the second colon of two, or the first of two in front
      if (zeros >= 0) return null;
      zeros = at;
      at += 2;
      i += i == start ? 2 : 1;
      continue;
    }
    let group = i;
    while (group < end && byteAt(text, group) != 0x3a) group++;
    if (group == end && hasDot(text, i, end)) {
      if (at > IPV6 - IPV4 || !parse4(text, i, end, address, at)) return null;
      at += IPV4;
      break;
    }
    const value = hexadecimal(text, i, group);
    if (value < 0) return null;
    setByte(address, at, value >> 8);
    setByte(address, at + 1, value & 0xff);
    at += 2;
    i = group + 1;
    if (i == end) return null;                                      // a single colon at the end
  }
  if (zeros < 0) return at == IPV6 ? address : null;
  const result = new ArrayBuffer(IPV6);                             // what stands behind the zeros goes to the end
  for (let j = 0; j < zeros; j++) setByte(result, j, byteAt(address, j));
  for (let j = zeros + 2; j < at; j++) setByte(result, IPV6 - at + j, byteAt(address, j));
  return result;
}

function hasDot(text: ArrayBuffer, start: i32, end: i32): bool {
  for (let i = start; i < end; i++) if (byteAt(text, i) == 0x2e) return true;
  return false;
}

/** Decimal digits without a zero in front; -1 when they are none, or more than `digits`. */
function number(text: ArrayBuffer, start: i32, end: i32, digits: i32): i32 {
  if (start >= end || end - start > digits || (byteAt(text, start) == 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = byteAt(text, i) - 0x30;
    if (digit > 9) return -1;
    value = value * 10 + <i32>digit;
  }
  return value;
}

function hexadecimal(text: ArrayBuffer, start: i32, end: i32): i32 {
  if (start >= end || end - start > 4) return -1;
  let value = 0;
  for (let i = start; i < end; i++) {
    const c = byteAt(text, i);
    const digit = c - 0x30 < 10 ? c - 0x30 : (c | 0x20) - 0x61 + 10;
    if (digit > 15) return -1;
    value = value * 16 + <i32>digit;
  }
  return value;
}
