/**
 * Rows of COPY ... FROM STDIN (FORMAT binary), encoded into one buffer: the fastest way into Postgres (parameter arrays of
 * bytea are pg's slow path). Columns are appended in the order of the COPY's column list.
 */

/** Signature, flags and header extension length of the binary format. */
const HEADER = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex');
const TRAILER = Buffer.from([0xff, 0xff]);

/** Grows one buffer of binary rows: `row(columns)`, then so many values. */
export class CopyRows {
  #buffer = Buffer.allocUnsafe(16_384);
  #length = HEADER.copy(this.#buffer);
  #rows = 0;

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

  row(columns: number): this {
    this.#buffer.writeInt16BE(columns, this.#room(2));
    this.#rows += 1;
    return this;
  }

  int8(value: number | bigint): this {
    const at = this.#room(12);
    this.#buffer.writeInt32BE(8, at);
    this.#buffer.writeBigInt64BE(BigInt(value), at + 4);
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
    this.#buffer.writeInt32BE(-1, this.#room(4));
    return this;
  }

  finish(): Buffer {
    return Buffer.concat([this.#buffer.subarray(0, this.#length), TRAILER]);
  }
}
