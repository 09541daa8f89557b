/**
 * Several COPYs and what follows them as one simple query in one round trip. The protocol lets the client send CopyData
 * before the server has asked for it (PostgreSQL 53.2.6: data that no COPY waits for, after an error, is ignored), so that
 * a whole group commit goes out in one write and one answer comes back.
 */
import type pg from 'pg';
import type { CopyRows } from './copy-binary.ts';
import type { Client } from './pool.ts';

/** One COPY: `target` is `table (columns)`, a constant of ours. */
export interface CopyPart {
  readonly target: string;
  readonly rows: CopyRows;
}

/** Messages that a query of our own may send; what pg's connection object offers. */
interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** What pg's client calls while a query of ours is the active one. */
class CopyBatch {
  /** pg reads and sets these on every query. */
  callback: ((error: Error | null) => void) | undefined;
  readonly #text: string;
  readonly #parts: readonly CopyPart[];
  readonly #done: (error?: Error) => void;
  #failure: Error | undefined;

  constructor(text: string, parts: readonly CopyPart[], done: (error?: Error) => void) {
    this.#text = text;
    this.#parts = parts;
    this.#done = done;
  }

  submit(connection: Wire): void {
    connection.stream.cork();
    connection.query(this.#text);
    for (const part of this.#parts) {
      connection.sendCopyFromChunk(part.rows.finish());
      connection.endCopyFrom();
    }
    connection.stream.uncork();
  }

  handleError(error: Error): void {
    this.#failure = error;
    this.#done(error);
  }

  handleReadyForQuery(): void {
    if (this.#failure === undefined) this.#done();
  }

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCommandComplete(): void {}
  handleCopyInResponse(): void {}
  handleCopyData(): void {}
}

/**
 * Copies the parts that have rows, in order, then runs `statements`. They may hold numbers and hexadecimal literals that
 * our own code made, nothing from outside. Ends the transaction only if `statements` do. Rejects with pg's error.
 */
export function copyBatch(client: Client, parts: readonly CopyPart[], statements: readonly string[]): Promise<void> {
  const filled = parts.filter((part) => part.rows.rows > 0);
  const copies = filled.map((part) => `copy ${part.target} from stdin (format binary)`);
  return new Promise((resolve, reject) => {
    const batch = new CopyBatch([...copies, ...statements].join(';'), filled, (error) =>
      error ? reject(error) : resolve(),
    );
    client.query(batch as unknown as pg.Submittable);
  });
}
