/** Bytes that wait, in one buffer: many small pieces cost no more than their bytes. */
export class ByteQueue {
  #buffer = new Uint8Array(64);
  #begin = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#begin;
  }

  append(bytes: Uint8Array): void {
    const { length } = this;
    if (this.#end + bytes.length > this.#buffer.length) {
      const room = length + bytes.length;
      const buffer = room > this.#buffer.length / 2 ? new Uint8Array(2 * room) : this.#buffer;
      buffer.set(this.#buffer.subarray(this.#begin, this.#end));
      this.#buffer = buffer;
      this.#begin = 0;
      this.#end = length;
    }
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** All of them; a view, good until the next call. */
  peek(): Uint8Array {
    return this.#buffer.subarray(this.#begin, this.#end);
  }

  /** Takes the first `count` away. */
  drop(count: number): void {
    this.#begin += Math.min(count, this.length);
    if (this.length === 0) this.#begin = this.#end = 0;
  }
}
