/** Whether a stored blob is the one that a manifest names: for `anamnesis verify`, by the independent hash. */
import { sha256 } from '@noble/hashes/sha2.js';
import { GatewayError } from '../core/errors.ts';
import type { BlobStore } from '../record/blob-store.ts';

/** Bytes read at once. */
const PIECE = 512 * 1024;

/**
 * A function that reads a whole blob in pieces of 512 KiB and is true when it is there, has `size` bytes and the SHA-256
 * `digest` (32 bytes). Rejects only when the store cannot be read.
 */
export function blobIntact(
  store: Pick<BlobStore, 'stat' | 'readAt'>,
): (digest: Buffer, size: number) => Promise<boolean> {
  return async (digest, size) => {
    try {
      if ((await store.stat(digest))?.size !== size) return false;
      const hash = sha256.create();
      for (let at = 0; at < size;) {
        const piece = await store.readAt(digest, at, Math.min(PIECE, size - at));
        if (piece.length === 0) return false;
        hash.update(piece);
        at += piece.length;
      }
      return digest.equals(hash.digest());
    } catch (thrown) {
      // Removed between the two calls.
      if (thrown instanceof GatewayError && thrown.code === 'not-found') return false;
      throw thrown;
    }
  };
}
