// SipHash-2-4 (Aumasson and Bernstein, 2012): a hash whose collisions nobody can find without the key.
import { byteAt, u64At } from "./memory";

export function sipHash(k0: u64, k1: u64, bytes: ArrayBuffer): u64 {
  let v0 = k0 ^ 0x736f6d6570736575, v1 = k1 ^ 0x646f72616e646f6d, v2 = k0 ^ 0x6c7967656e657261, v3 = k1 ^ 0x7465646279746573;
  const size = bytes.byteLength;
  const whole = size & ~7;
  let last = <u64>size << 56;
  for (let i = whole; i < size; i++) last |= <u64>byteAt(bytes, i) << (<u64>(i & 7) * 8);
  for (let at = 0; at <= whole; at += 8) {
    const word = at < whole ? u64At(bytes, at) : last;
    v3 ^= word;
    for (let round = 0; round < 2; round++) {
      v0 += v1; v1 = rotl(v1, 13); v1 ^= v0; v0 = rotl(v0, 32);
      v2 += v3; v3 = rotl(v3, 16); v3 ^= v2;
      v0 += v3; v3 = rotl(v3, 21); v3 ^= v0;
      v2 += v1; v1 = rotl(v1, 17); v1 ^= v2; v2 = rotl(v2, 32);
    }
    v0 ^= word;
  }
  v2 ^= 0xff;
  for (let round = 0; round < 4; round++) {
    v0 += v1; v1 = rotl(v1, 13); v1 ^= v0; v0 = rotl(v0, 32);
    v2 += v3; v3 = rotl(v3, 16); v3 ^= v2;
    v0 += v3; v3 = rotl(v3, 21); v3 ^= v0;
    v2 += v1; v1 = rotl(v1, 17); v1 ^= v2; v2 = rotl(v2, 32);
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
