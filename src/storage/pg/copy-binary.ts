/**
 * Rows of COPY ... FROM STDIN (FORMAT binary), encoded into one buffer: the fastest way into Postgres (parameter arrays of
 * bytea are pg's slow path). Columns are appended in the order of the COPY's column list.
 */

/** Signature, flags and header extension length of the binary format. */
const HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
const TRAILER = Buffer.from([0xff, 0xff]);
/** Weight of the upper half of an int8. */
const HIGH = 0x1_0000_0000;
/** Length word of an int8. */
export const INT8_LENGTH_BYTES = 4;

/** Grows one buffer of binary rows: `row(columns)`, then so many values. */
export class CopyRows {
  #buffer: Buffer;
  #length: number;
  #rows = 0;

  /** `bytes`: of the rows that are expected. */
  constructor(bytes = 16_384) {
    this.#buffer = Buffer.allocUnsafe(HEADER.length + bytes + TRAILER.length);
    this.#length = HEADER.copy(this.#buffer);
  }

  get rows(): number {
    return this.#rows;
  }

  #room(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = at + bytes;
    return at;
  }

  /** Bytes of the rows so far. */
  get bytesOfRows(): number {
    return this.#length - HEADER.length;
  }

  /** Forgets the rows and keeps the memory. */
  clear(): void {
    this.#length = HEADER.length;
    this.#rows = 0;
  }

  /** Copies the rows, without header, to a place of `target`. */
  copyTo(target: Uint8Array, at: number): void {
    target.set(this.#buffer.subarray(HEADER.length, this.#length), at);
  }

  /** Adds so many rows that are encoded already, from there to there. Returns the position of their first byte, for `add`. */
  encoded(bytes: Buffer, from: number, to: number, rows: number): number {
    const at = this.#room(to - from);
    bytes.copy(this.#buffer, at, from, to);
    this.#rows += rows;
    return at;
  }

  /** Adds `delta` to the non-negative int8 whose eight bytes begin at a position. The sum is below 2^53. */
  add(position: number, delta: number): void {
    const buffer = this.#buffer;
    const sum = buffer.readUInt32BE(position) * HIGH + buffer.readUInt32BE(position + 4) + delta;
    const high = Math.floor(sum / HIGH);
    buffer.writeUInt32BE(high, position);
    buffer.writeUInt32BE(sum - high * HIGH, position + 4);
  }

  row(columns: number): this {
    // First the room: it may put another buffer in the place of this one.
    const at = this.#room(2);
    this.#buffer.writeInt16BE(columns, at);
    this.#rows += 1;
    return this;
  }

  int8(value: number | bigint): this {
    const at = this.#room(12);
    this.#buffer.writeInt32BE(8, at);
    if (typeof value === 'bigint') this.#buffer.writeBigInt64BE(value, at + 4);
    else {
      const high = Math.floor(value / HIGH);
      this.#buffer.writeInt32BE(high, at + 4);
      this.#buffer.writeUInt32BE(value - high * HIGH, at + 8);
    }
    return this;
  }

  /** An int8 by its upper and lower 32 bits. */
  int8Halves(high: number, low: number): this {
    const at = this.#room(12);
    this.#buffer.writeInt32BE(8, at);
    this.#buffer.writeInt32BE(high | 0, at + 4);
    this.#buffer.writeInt32BE(low | 0, at + 8);
    return this;
  }

  int4(value: number): this {
    const at = this.#room(8);
    this.#buffer.writeInt32BE(4, at);
    this.#buffer.writeInt32BE(value, at + 4);
    return this;
  }

  int2(value: number): this {
    const at = this.#room(6);
    this.#buffer.writeInt32BE(2, at);
    this.#buffer.writeInt16BE(value, at + 4);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#room(4 + value.length);
    this.#buffer.writeInt32BE(value.length, at);
    this.#buffer.set(value, at + 4);
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  /** 8-4-4-4-12 hex. */
  uuid(value: string): this {
    const at = this.#room(20);
    this.#buffer.writeInt32BE(16, at);
    this.#buffer.write(value.replaceAll('-', ''), at + 4, 'hex');
    return this;
  }

  null(): this {
    const at = this.#room(4);
    this.#buffer.writeInt32BE(-1, at);
    return this;
  }

  /** Header, rows and trailer; the rows are complete. */
  finish(): Buffer {
    const at = this.#room(TRAILER.length);
    this.#buffer.set(TRAILER, at);
    return this.#buffer.subarray(0, this.#length);
  }
}
