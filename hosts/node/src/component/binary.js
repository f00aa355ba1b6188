// Reads the numbers and names that a WebAssembly binary is made of.

/** The file is not what it says it is. */
export class Damaged extends Error {}

/** A place in a binary, from which one thing after another is read. */
export class Reader {
  #bytes;
  #at;
  #end;

  constructor(bytes, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get more() {
    return this.#at < this.#end;
  }

  byte() {
    if (this.#at >= this.#end) {
      throw new Damaged(`the file ends in the middle, at byte ${this.#at}`);
    }
    return this.#bytes[this.#at++];
  }

  peek() {
    const at = this.#at;
    const byte = this.byte();
    this.#at = at;
    return byte;
  }

  /** An unsigned number (LEB128). */
  u32() {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        return value;
      }
    }
    throw new Damaged(`a number is too long, at byte ${this.#at}`);
  }

  name() {
    const bytes = this.#take(this.u32());
    return new TextDecoder().decode(bytes);
  }

  /** As many things as the number in front of them says. */
  list(read) {
    return Array.from({ length: this.#count() }, read);
  }

  /** What may be left out, with a byte in front that says whether it is. */
  option(read) {
    return this.byte() === 0 ? undefined : read();
  }

  /** A part of its own, as long as the number in front of it says. */
  part() {
    const length = this.u32();
    this.#take(length);
    return new Reader(this.#bytes, this.#at - length, this.#at);
  }

  #take(length) {
    if (length > this.#end - this.#at) {
      throw new Damaged(`the file ends in the middle, at byte ${this.#end}`);
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #count() {
    const count = this.u32();
    // Each thing takes a byte at least: a longer list cannot be, and is not to be made room for.
    if (count > this.#end - this.#at) {
      throw new Damaged(`a list is longer than the file, at byte ${this.#at}`);
    }
    return count;
  }
}
