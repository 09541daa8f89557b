/**
 * Reads exact numbers of bytes from a stream of pieces: for binary protocols whose fields say how long the next one is.
 * Holds one piece and what was left over, never the stream; pulls only when more is needed (backpressure).
 */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Makes at least `length` bytes available; false when the stream ends before. Errors of the stream pass through. */
  async fill(length: number): Promise<boolean> {
    if (this.#held.length - this.#at >= length) return true;
    const pieces = [this.#held.subarray(this.#at)];
    let have = pieces[0].length;
    while (have < length) {
      const { value, done } = await this.#source.next();
      if (done === true) break;
      pieces.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
      have += value.byteLength;
    }
    this.#held = Buffer.concat(pieces);
    this.#at = 0;
    return have >= length;
  }

  /** The next bytes without taking them; undefined when so many are not held. */
  peek(length: number): Buffer | undefined {
    return this.#held.length - this.#at < length ? undefined : this.#held.subarray(this.#at, this.#at + length);
  }

  /** The next bytes, a view valid for ever (pieces are never reused); undefined when so many are not held: `fill` first. */
  take(length: number): Buffer | undefined {
    if (this.#held.length - this.#at < length) return undefined;
    this.#at += length;
    return this.#held.subarray(this.#at - length, this.#at);
  }

  /** The next bytes; undefined when the stream ends before that many. */
  async read(length: number): Promise<Buffer | undefined> {
    return this.take(length) ?? ((await this.fill(length)) ? this.take(length) : undefined);
  }

  /** True when nothing is left. */
  async ended(): Promise<boolean> {
    return !(await this.fill(1));
  }
}
