/**
 * Port of the blob store: sealed blobs by the digest of their ciphertext. The store sees ciphertext only and is not
 * trusted with integrity: `record/blob` proves every chunk, `anamnesis verify` every digest.
 */

/** A blob as the store knows it. */
export interface StoredBlob {
  /** SHA-256 of the ciphertext, 32 bytes. */
  readonly digest: Buffer;
  /** Ciphertext bytes. */
  readonly size: number;
  /** When it was put, milliseconds since 1970, by the store's own clock: for sweeping orphans. */
  readonly storedAt: number;
}

export interface BlobStore {
  /**
   * Stores ciphertext under a digest that is known only when the stream has ended: `digest` is asked then, once. Durable
   * on return (bytes and name). Idempotent: an existing blob of this digest stays. When the stream or `digest` throws,
   * nothing remains and the error is passed on. A full disk is `storage-full`, any other fault `unavailable`; neither is
   * retried here. Pulls the next piece only when the last one was taken (backpressure).
   */
  put(ciphertext: AsyncIterable<Uint8Array>, digest: () => Uint8Array): Promise<void>;
  /** `length` bytes from `offset`, fewer where the blob ends. Throws `not-found`; `unavailable` for faults. */
  readAt(digest: Uint8Array, offset: number, length: number): Promise<Buffer>;
  /** Undefined when the blob is not there. */
  stat(digest: Uint8Array): Promise<StoredBlob | undefined>;
  /** Removes a blob that no manifest names (an orphan). Idempotent. Durable on return. */
  remove(digest: Uint8Array): Promise<void>;
  /** All blobs, in no order; those put or removed meanwhile may or may not be there. */
  list(): AsyncIterable<StoredBlob>;
}

/**
 * Port of blobs on their way from others, by the digest that they are to have. Nothing in it is trusted or named by anything.
 * Errors: `storage-full`, `unavailable`; none is retried here.
 */
export interface BlobUploads {
  /** Bytes that are here and durable; 0 for what is not here. */
  offset(digest: Uint8Array): Promise<number>;
  /**
   * Writes pieces from byte `from` on. Resolves with the new offset, durable. When `pieces` throws, what came before is kept,
   * durable, and the error is passed on. Idempotent for the same bytes.
   */
  append(digest: Uint8Array, from: number, pieces: AsyncIterable<Uint8Array>): Promise<number>;
  /** What is here, from its first byte. Throws `not-found`. */
  read(digest: Uint8Array): AsyncIterable<Buffer>;
  /** Idempotent. */
  remove(digest: Uint8Array): Promise<void>;
}
