// The only file that handles addresses. What the host allocates is pinned here and unpinned here: nothing stays behind.

const out: usize = memory.data(16);   // an address or a value, a size, a version

/** Address where the host writes the address of what it returns (or a token, an id, a time). */
// @ts-ignore: decorator
@inline export function outAddress(): usize { return out; }

/** Address where the host writes the size of what it returns. */
// @ts-ignore: decorator
@inline export function outSize(): usize { return out + 4; }

/** Address where the host writes a third thing: the version of shared data. */
// @ts-ignore: decorator
@inline export function outVersion(): usize { return out + 8; }

/** The u32 that the host wrote to outVersion(). */
// @ts-ignore: decorator
@inline export function takeHostVersion(): u32 { return load<u32>(out + 8); }

/** The u32 that the host wrote to outAddress(). */
// @ts-ignore: decorator
@inline export function takeHostU32(): u32 { return load<u32>(out); }

/** The u64 that the host wrote to outAddress(). */
// @ts-ignore: decorator
@inline export function takeHostU64(): u64 { return load<u64>(out); }

/** Clears both, so that a host that writes nothing leaves "nothing" there. Before every call that returns bytes. */
// @ts-ignore: decorator
@inline export function expectHostBytes(): void { store<u64>(out, 0); }

/** What the host writes over, where its answer has just that size. */
let landing: ArrayBuffer | null = null;

/** As expectHostBytes(), for an answer that mostly has the size of `known` and is not kept: `known` is written over, and nothing allocated. */
export function expectHostBytesIn(known: ArrayBuffer): void {
  expectHostBytes();
  landing = known;
}

/** A block for the host to write into: an ArrayBuffer of ours, pinned until takeHostBytes() has it. */
export function allocateForHost(size: usize): usize {
  const known = landing;
  return known != null && <usize>known.byteLength == size ? changetype<usize>(known) : __pin(__new(size, idof<ArrayBuffer>()));
}

/** What the host just wrote, from here on garbage collected like anything else. Empty when the host wrote nothing. */
export function takeHostBytes(): ArrayBuffer {
  const address = <usize>load<u32>(out);
  const known = landing;
  landing = null;
  if (known != null && address == changetype<usize>(known)) return known;
  if (address == 0) return new ArrayBuffer(0);
  const bytes = changetype<ArrayBuffer>(address);
  __unpin(address);
  return bytes;
}

/** Address of a buffer, to be used as an argument of a host call and for nothing else. */
// @ts-ignore: decorator
@inline export function addressOf(bytes: ArrayBuffer): usize { return changetype<usize>(bytes); }

/** The byte at an index. 0 when the index is outside: reading never traps. */
// @ts-ignore: decorator
@inline export function byteAt(bytes: ArrayBuffer, index: i32): u32 {
  return <u32>index < <u32>bytes.byteLength ? <u32>load<u8>(changetype<usize>(bytes) + <usize>index) : 0;
}

/** The byte at an index that the caller knows to be inside: for loops that checked their range before they began. */
// @ts-ignore: decorator
@inline export function knownByte(bytes: ArrayBuffer, index: i32): u32 { return <u32>load<u8>(changetype<usize>(bytes) + <usize>index); }

/** Writes a byte at an index that the caller knows to be inside. */
// @ts-ignore: decorator
@inline export function setKnownByte(bytes: ArrayBuffer, index: i32, value: u32): void { store<u8>(changetype<usize>(bytes) + <usize>index, value); }

/** Little-endian u32 at an index; 0 when it does not lie wholly inside. */
// @ts-ignore: decorator
@inline export function u32At(bytes: ArrayBuffer, index: i32): u32 {
  return index >= 0 && index <= bytes.byteLength - 4 ? load<u32>(changetype<usize>(bytes) + <usize>index) : 0;
}

/** Little-endian u64 at an index; 0 when it does not lie wholly inside. */
// @ts-ignore: decorator
@inline export function u64At(bytes: ArrayBuffer, index: i32): u64 {
  return index >= 0 && index <= bytes.byteLength - 8 ? load<u64>(changetype<usize>(bytes) + <usize>index) : 0;
}

/** Writes a little-endian u64; does nothing when it does not lie wholly inside. */
// @ts-ignore: decorator
@inline export function setU64(bytes: ArrayBuffer, index: i32, value: u64): void {
  if (index >= 0 && index <= bytes.byteLength - 8) store<u64>(changetype<usize>(bytes) + <usize>index, value);
}

/** Writes a byte; does nothing when the index is outside. */
// @ts-ignore: decorator
@inline export function setByte(bytes: ArrayBuffer, index: i32, value: u32): void {
  if (<u32>index < <u32>bytes.byteLength) store<u8>(changetype<usize>(bytes) + <usize>index, value);
}

/** Writes a little-endian u32; does nothing when it does not lie wholly inside. */
// @ts-ignore: decorator
@inline export function setU32(bytes: ArrayBuffer, index: i32, value: u32): void {
  if (index >= 0 && index <= bytes.byteLength - 4) store<u32>(changetype<usize>(bytes) + <usize>index, value);
}

/** Copies [start, end) of `from` to `to` at `at`, as far as both reach. Returns how many bytes it copied. */
export function copyBytes(to: ArrayBuffer, at: i32, from: ArrayBuffer, start: i32, end: i32): i32 {
  if (start < 0 || at < 0) return 0;
  const size = min(min(end, from.byteLength) - start, to.byteLength - at);
  if (size <= 0) return 0;
  memory.copy(changetype<usize>(to) + <usize>at, changetype<usize>(from) + <usize>start, <usize>size);
  return size;
}

/** Whether [start, end) of `a` holds exactly the bytes of `b`. */
export function equalBytes(a: ArrayBuffer, start: i32, end: i32, b: ArrayBuffer): bool {
  const size = end - start;
  if (start < 0 || size != b.byteLength || end > a.byteLength) return false;
  return memory.compare(changetype<usize>(a) + <usize>start, changetype<usize>(b), <usize>size) == 0;
}
