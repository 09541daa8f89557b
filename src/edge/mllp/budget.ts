/**
 * What all connections of a listener hold together: unfinished frames, and messages that wait or are taken. Beyond the limit a
 * connection that holds more than its share is not read any further until there is room; small ones go on, so that a few
 * large or slow senders shut nobody else out.
 */
import { MLLP_CONNECTION_SHARE_BYTES } from '../../core/limits.ts';

export class Budget {
  /** Bytes held now. */
  used = 0;
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();

  /** `limit`: bytes of all connections, to which each may add its share. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Counts what a connection holds more, or less. */
  add(bytes: number): void {
    this.used += bytes;
    if (bytes >= 0 || this.used > this.#limit) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** True when a connection that holds so much is to wait. */
  isFull(held: number): boolean {
    return this.used > this.#limit && held > MLLP_CONNECTION_SHARE_BYTES;
  }

  /** True when a connection alone holds more than there is for all: waiting would not help. */
  isHopeless(held: number): boolean {
    return held > this.#limit;
  }

  /** Calls `wake` once, when there is room. */
  whenRoom(wake: () => void): void {
    this.#waiting.add(wake);
  }

  /** The connection has gone. */
  forget(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}
