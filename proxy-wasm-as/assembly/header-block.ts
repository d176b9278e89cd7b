// The headers of a message as the host gave them, in one block (pairs.ts says how): looked at in place, without a copy of each.
import { equalBytes, u32At } from "./memory";

/** Goes through a block from the first header on; what does not lie wholly inside is left out. */
export class HeaderBlock {
  bytes: ArrayBuffer = new ArrayBuffer(0);
  /** Where name and value of the header in hand are in `bytes`. */
  nameStart: i32 = 0;
  nameEnd: i32 = 0;
  valueStart: i32 = 0;
  valueEnd: i32 = 0;
  private count: i32 = 0;
  private index: i32 = 0;
  private at: i32 = 0;

  /** Before the first header of a block. */
  begin(bytes: ArrayBuffer): void {
    this.bytes = bytes;
    const count = u32At(bytes, 0);
    this.count = count <= <u32>(bytes.byteLength / 8) && <i32>count * 8 + 4 <= bytes.byteLength ? <i32>count : 0;
    this.index = 0;
    this.at = 4 + this.count * 8;
  }

  /** Takes the next header in hand; false: there is none. */
  next(): bool {
    if (this.index >= this.count) return false;
    const nameSize = <i32>u32At(this.bytes, 4 + this.index * 8), valueSize = <i32>u32At(this.bytes, 8 + this.index * 8);
    const size = this.bytes.byteLength;
    if (nameSize < 0 || nameSize > size || valueSize < 0 || valueSize > size || this.at + nameSize + 1 + valueSize > size) {
      this.index = this.count;
      return false;
    }
    this.index++;
    this.nameStart = this.at;
    this.nameEnd = this.nameStart + nameSize;
    this.valueStart = this.nameEnd + 1;
    this.valueEnd = this.valueStart + valueSize;
    this.at = this.valueEnd + 1;
    return true;
  }

  /** Whether the header in hand has this name. */
  named(name: ArrayBuffer): bool { return equalBytes(this.bytes, this.nameStart, this.nameEnd, name); }
}
