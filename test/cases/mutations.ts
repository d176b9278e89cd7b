// Text that is nearly right, the same in every run.

/** Numbers from 0 to below n. */
export function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n;
}

/** Of a token: one to three characters changed, put in or taken out. */
export function* mutations(good: string, count: number, alphabet = 'ABCxyz019-_.=+/ %"\\{}[]:,'): Generator<string> {
  const roll = dice(42);
  for (let i = 0; i < count; i++) {
    const characters = [...good];
    for (let edits = 1 + roll(3); edits > 0; edits--) {
      const at = roll(characters.length), what = roll(3);
      if (what === 0) characters[at] = alphabet[roll(alphabet.length)] ?? '';
      else if (what === 1) characters.splice(at, 1 + roll(20));
      else characters.splice(at, 0, alphabet[roll(alphabet.length)] ?? '');
    }
    yield characters.join('');
  }
}
