// Will Envoy take this pattern? Its engine is RE2, and a pattern that RE2 refuses costs a NACK of the whole route table.
// Reads RE2's grammar (https://github.com/google/re2/wiki/Syntax) and refuses what it does not know: a pattern refused here is a message, there an outage.

const MAX_LENGTH = 1024;
const MAX_REPEAT = 1000;      // RE2: kMaxRepeat
const MAX_SIZE = 20_000;      // states after repeats are written out; RE2's memory limit is far above
const MAX_DEPTH = 100;

const POSIX = new Set(['alnum', 'alpha', 'ascii', 'blank', 'cntrl', 'digit', 'graph', 'lower', 'print', 'punct', 'space', 'upper', 'word', 'xdigit']);
const CATEGORIES = /^(C[cfosn]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?|Any|Latin|Greek|Cyrillic|Han|Hiragana|Katakana|Hangul|Arabic|Hebrew|Thai|Devanagari|Common)$/;

/** What is wrong with it, for people; null when RE2 will take it. */
export function regexProblem(pattern: string): string | null {
  if (pattern.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`;
  try {
    const reader = new Reader(pattern);
    const size = reader.alternatives(0);
    if (!reader.done) return 'has a ) without a (';
    return size > MAX_SIZE ? 'repeats too much' : null;
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
}

class Refused extends Error {}

/** A recursive descent that keeps count of the states. */
class Reader {
  readonly #text: string;
  readonly #names = new Set<string>();
  #at = 0;
  constructor(text: string) { this.#text = text; }

  get done(): boolean { return this.#at >= this.#text.length; }
  #peek(text: string): boolean { return this.#text.startsWith(text, this.#at); }
  #take(text: string): boolean { if (!this.#peek(text)) return false; this.#at += text.length; return true; }
  #next(): string {
    const c = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += c.length;
    return c;
  }
  #match(form: RegExp): RegExpExecArray | null {
    form.lastIndex = this.#at;
    const found = form.exec(this.#text);
    if (found !== null) this.#at += found[0].length;
    return found;
  }

  alternatives(depth: number): number {
    if (depth > MAX_DEPTH) throw new Refused('is nested too deep');
    let size = 0;
    do size += this.#sequence(depth) + 1; while (this.#take('|'));
    return size;
  }

  #sequence(depth: number): number {
    let size = 0;
    while (!this.done && !this.#peek('|') && !this.#peek(')')) size += this.#repeated(depth);
    return size;
  }

  #repeated(depth: number): number {
    if (/[*+?]/.test(this.#text[this.#at] ?? '')) throw new Refused(`has nothing to repeat before ${this.#text[this.#at]}`);
    let size = this.#atom(depth);
    // `(?i)` alone is no atom.
    for (let repeats = size === 0 ? 1 : 0; ; repeats++) {
      const range = this.#match(/\{(\d+)(,(\d*))?\}/y);
      if (range === null && !this.#take('*') && !this.#take('+') && !this.#take('?')) return size;
      if (repeats > 0) throw new Refused('repeats a repeat, or nothing (RE2 has no possessive quantifiers)');
      if (range !== null) {
        const [min, max] = [Number(range[1]), range[2] === undefined ? Number(range[1]) : range[3] === '' ? Number(range[1]) : Number(range[3])];
        if (min > MAX_REPEAT || max > MAX_REPEAT) throw new Refused(`repeats more than ${MAX_REPEAT} times`);
        if (max < min) throw new Refused(`has a range that ends before it begins: ${range[0]}`);
        size *= Math.max(max, 1) + 1;
      } else size += 1;
      if (size > MAX_SIZE) throw new Refused('repeats too much');
      this.#take('?');
    }
  }

  #atom(depth: number): number {
    if (this.#take('(')) return this.#group(depth);
    if (this.#take('[')) return this.#set();
    if (this.#take('\\')) { this.#escape(false); return 1; }
    this.#next();
    return 1;
  }

  #group(depth: number): number {
    if (this.#take('?')) {
      if (this.#peek('=') || this.#peek('!') || this.#peek('<=') || this.#peek('<!')) throw new Refused('looks around: RE2 has no (?= (?! (?<= (?<!');
      const name = this.#match(/P?<([A-Za-z_][A-Za-z0-9_]*)>/y)?.[1];
      if (name !== undefined) {
        if (this.#names.has(name)) throw new Refused(`has two groups of the name ${name}`);
        this.#names.add(name);
      } else {
        const flags = this.#match(/([imsU]*(?:-[imsU]+)?)([:)])/y);
        if (flags === null || (flags[1] === '' && flags[2] === ')')) throw new Refused('has a group (? of a kind that RE2 does not have');
        if (flags[2] === ')') return 0;
      }
    }
    const size = this.alternatives(depth + 1);
    if (!this.#take(')')) throw new Refused('has a ( without a )');
    return size + 1;
  }

  #set(): number {
    this.#take('^');
    let size = 1;
    for (let first = true; first || !this.#peek(']'); first = false) {
      if (this.done) throw new Refused('has a [ without a ]');
      size++;
      const from = this.#member();
      if (!this.#peek('-') || this.#text[this.#at + 1] === ']' || from === null) continue;
      this.#take('-');
      if (this.done) throw new Refused('has a [ without a ]');
      const to = this.#member();
      if (to === null || to < from) throw new Refused('has a range of characters that ends before it begins');
    }
    this.#take(']');
    return size;
  }

  /** The code point, or null for a class of them. */
  #member(): number | null {
    const posix = this.#match(/\[:\^?([a-z]+):\]/y);
    if (posix !== null) {
      if (!POSIX.has(posix[1] ?? '')) throw new Refused(`has an unknown class ${posix[0]}`);
      return null;
    }
    if (this.#take('\\')) return this.#escape(true);
    const code = this.#next().codePointAt(0) ?? 0;
    if (code > 0x7f) throw new Refused('has a character beyond ASCII in a set: Envoy compares bytes');
    return code;
  }

  #escape(inSet: boolean): number | null {
    if (this.done) throw new Refused('ends with \\');
    const hex = this.#match(/x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/y);
    if (hex !== null) {
      const code = Number.parseInt(hex[1] ?? hex[2] ?? '', 16);
      // Envoy compares bytes (RE2's Latin-1).
      if (code > 0xff) throw new Refused(`has a character beyond a byte: \\${hex[0]}`);
      return code;
    }
    const category = this.#match(/[pP](?:([A-Z])|\{\^?([A-Za-z]+)\})/y);
    if (category !== null) {
      if (!CATEGORIES.test(category[1] ?? category[2] ?? '')) throw new Refused(`has an unknown class \\${category[0]}`);
      return null;
    }
    const c = this.#next();
    if (/[1-9]/.test(c)) throw new Refused('refers back to a group: RE2 has no backreferences');
    if (/[dDsSwW]/.test(c)) return null;
    if (/[bBAz]/.test(c) && !inSet) return null;
    const control = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7 }[c];
    if (control !== undefined) return control;
    if (/[A-Za-z0-9]/.test(c) || (c.codePointAt(0) ?? 0) > 127) throw new Refused(`has an escape that RE2 does not have: \\${c}`);
    return c.codePointAt(0) ?? 0;
  }
}
