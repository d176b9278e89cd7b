// Reads a configuration in JSON, whole and strictly: a problem names the field, and unknown fields are problems.
import { text, utf8 } from "./bytes";
import { ABSENT, Json, JsonType } from "./json";
import { parseDuration } from "./time";

/** Configurations beyond this size are refused unread. */
export const MAX_CONFIGURATION_BYTES = 4 * 1024 * 1024;

/** Reads one document. `problem` is empty as long as all is well; then it says what is wrong first, and where. */
export class ConfigReader {
  problem: string = "";
  constructor(readonly json: Json) {}

  get(node: i32, name: string): i32 { return this.json.get(node, utf8(name)); }

  fail(path: string, message: string): void {
    if (this.problem.length == 0) this.problem = path + ": " + message;
  }

  /** An object with none but these names. */
  allow(node: i32, path: string, names: string[]): void {
    if (this.json.type(node) != JsonType.Object) {
      this.fail(path, "an object is needed");
      return;
    }
    for (let name = this.json.first(node); name != ABSENT; name = this.json.next(name + 1, node)) {
      const found = text(this.json.string(name));
      if (!names.includes(found)) this.fail(path + "." + found, "unknown field");
    }
  }

  /** A list, or ABSENT. */
  list(node: i32, name: string, path: string): i32 {
    const list = this.get(node, name);
    if (list != ABSENT && this.json.type(list) != JsonType.Array) this.fail(path + "." + name, "a list is needed");
    return list;
  }

  strings(node: i32, name: string, path: string): ArrayBuffer[] {
    return this.texts(this.list(node, name, path), path + "." + name);
  }

  /** The strings of a list; none when it is ABSENT. */
  texts(list: i32, path: string): ArrayBuffer[] {
    const strings: ArrayBuffer[] = [];
    if (list != ABSENT && this.json.type(list) != JsonType.Array) this.fail(path, "a list is needed");
    for (let item = this.json.first(list); item != ABSENT; item = this.json.next(item, list)) {
      if (this.json.type(item) != JsonType.String) this.fail(path, "a list of strings is needed");
      strings.push(this.json.string(item));
    }
    return strings;
  }

  /** Empty when the field is absent. */
  optional(node: i32, name: string, path: string): ArrayBuffer {
    const value = this.get(node, name);
    if (value != ABSENT && this.json.type(value) != JsonType.String) this.fail(path + "." + name, "a string is needed");
    return this.json.string(value);
  }

  required(node: i32, name: string, path: string): ArrayBuffer {
    const value = this.json.string(this.get(node, name));
    if (value.byteLength == 0) this.fail(path + "." + name, "a string is needed");
    return value;
  }

  /** A string of so many UTF-16 units, as policy/ counts them; empty when the field is absent and may be empty. */
  sized(node: i32, name: string, path: string, least: i32, most: i32): ArrayBuffer {
    const value = this.optional(node, name, path);
    const size = value.byteLength <= least ? value.byteLength : text(value).length;
    if (size < least || size > most) this.fail(path + "." + name, `must have ${least} to ${most} characters`);
    return value;
  }

  /** A string from 1 to `most` long (as JavaScript counts). */
  bounded(node: i32, name: string, path: string, most: i32): ArrayBuffer {
    const value = this.required(node, name, path);
    if (text(value).length > most) this.fail(path + "." + name, `must not be longer than ${most}`);
    return value;
  }

  /** The same; empty when the field is absent. */
  boundedIfGiven(node: i32, name: string, path: string, most: i32): ArrayBuffer {
    return this.get(node, name) == ABSENT ? new ArrayBuffer(0) : this.bounded(node, name, path, most);
  }

  /** Strings that are not empty, from `least` to `most` of them; none when the list is ABSENT. */
  words(node: i32, name: string, path: string, least: i32, most: i32): ArrayBuffer[] {
    const words = this.strings(node, name, path);
    if (words.length < least || words.length > most) this.fail(path + "." + name, `must have from ${least} to ${most}`);
    for (let i = 0; i < words.length; i++) if (words[i].byteLength == 0) this.fail(`${path}.${name}[${i}]`, "must not be empty");
    return words;
  }

  /** 0 or 1; 0 when the field is absent. */
  choice(node: i32, name: string, path: string, zero: string, one: string): i32 {
    const value = this.get(node, name);
    if (this.json.is(value, utf8(one))) return 1;
    if (value != ABSENT && !this.json.is(value, utf8(zero))) this.fail(path + "." + name, `must be ${zero} or ${one}`);
    return 0;
  }

  milliseconds(node: i32, name: string, path: string, otherwise: i32): i32 {
    const value = this.get(node, name);
    if (value == ABSENT) return otherwise;
    const number = this.json.number(value);
    if (!(number >= 1 && number <= 86_400_000)) {
      this.fail(path + "." + name, "must be milliseconds, from 1 to 86400000");
      return otherwise;
    }
    return <i32>number;
  }

  /** Milliseconds of a GEP-2257 duration such as 1m30s; `otherwise` when the field is absent. */
  duration(node: i32, name: string, path: string, otherwise: i64): i64 {
    const value = this.get(node, name);
    if (value == ABSENT) return otherwise;
    const milliseconds = this.json.type(value) == JsonType.String ? parseDuration(this.json.string(value)) : -1;
    if (milliseconds < 0) {
      this.fail(path + "." + name, "must be a duration such as 500ms, 10s or 1h30m");
      return otherwise;
    }
    return milliseconds;
  }

  /** A number from `least` to `most`; `otherwise` when the field is absent. */
  number(node: i32, name: string, path: string, least: f64, most: f64, otherwise: f64): f64 {
    const value = this.get(node, name);
    if (value == ABSENT) return otherwise;
    const number = this.json.number(value);
    if (this.json.type(value) == JsonType.Number && number >= least && number <= most) return number;
    this.fail(path + "." + name, `must be a number from ${plain(least)} to ${plain(most)}`);
    return otherwise;
  }

  integer(node: i32, name: string, path: string, least: i32, most: i32, otherwise: i32): i32 {
    const number = this.number(node, name, path, least, most, otherwise);
    if (number == Math.floor(number)) return <i32>number;
    this.fail(path + "." + name, "must be a whole number");
    return otherwise;
  }

  bool(node: i32, name: string, path: string): bool {
    const type = this.json.type(this.get(node, name));
    if (type != JsonType.Absent && type != JsonType.True && type != JsonType.False) this.fail(path + "." + name, "must be true or false");
    return type == JsonType.True;
  }

  /** How many of these fields are there. */
  given(node: i32, names: string[]): i32 {
    let count: i32 = 0;
    for (let i = 0; i < names.length; i++) if (this.get(node, names[i]) != ABSENT) count++;
    return count;
  }
}

/** A number without the ".0" that AssemblyScript gives to whole ones. */
function plain(value: f64): string { return value == Math.floor(value) ? (<i64>value).toString() : value.toString(); }
