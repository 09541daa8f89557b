/**
 * Takes blobs of mirrored logs in parts (docs/replication.md): the sender asks how much is here, goes on there, and may be cut off
 * anywhere. When the last byte has come the whole is checked against the digest that a document names, and only then is it a blob.
 */
import { createHash } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { BlobStore, BlobUploads } from '../record/blob-store.ts';
import type { MirrorData, MirrorEntries, MissingBlob } from './mirror-ports.ts';

/** How much of a blob is here. */
export interface BlobProgress {
  /** The next byte that is wanted. */
  readonly offset: number;
  /** True when the blob is whole and in the store. */
  readonly complete: boolean;
}

export interface MirrorBlobs {
  /** Takes one missing blob as a whole. Throws `not-found` when the log does not miss it, `integrity` when it is another. */
  addBlob(origin: string, digest: Buffer, body: AsyncIterable<Uint8Array>): Promise<void>;
  /** Bytes of a missing blob that are here. Throws `not-found`. */
  blobOffset(origin: string, digest: Buffer): Promise<number>;
  /**
   * Takes a missing blob from a byte on: what came is durable on return, and also when `body` throws. Where another byte is
   * wanted nothing is taken, and the answer says which. Throws `not-found`; `invalid-content` when the whole is another blob,
   * which then begins at 0 again; `storage-full`.
   */
  addBlobPart(origin: string, digest: Buffer, from: number, body: AsyncIterable<Uint8Array>): Promise<BlobProgress>;
}

export interface MirrorBlobsDeps {
  readonly store: Pick<MirrorEntries & MirrorData, 'load' | 'missingBlobs' | 'blobArrived'>;
  readonly blobs: Pick<BlobStore, 'put'>;
  readonly uploads: BlobUploads;
  /** Throws `storage-full` when no more may be taken for a log that would have so many bytes. */
  readonly checkRoom: (bytes: number) => void;
}

/** Blobs that a status lists, and of which one may be uploaded next. */
export const MISSING_LISTED = 1000;

export function mirrorBlobs({ store, blobs, uploads, checkRoom }: MirrorBlobsDeps): MirrorBlobs {
  const missingOf = async (origin: string, digest: Buffer): Promise<MissingBlob & { readonly total: number }> => {
    const { log, bytes } = await store.load(origin);
    const missing = (await store.missingBlobs(log, MISSING_LISTED)).find((blob) => blob.digest.equals(digest));
    if (missing === undefined) throw new GatewayError('not-found', 'the log does not miss this blob');
    return { ...missing, total: bytes + missing.size };
  };
  return {
    async addBlob(origin, digest, body) {
      const missing = await missingOf(origin, digest);
      checkRoom(missing.total);
      await keepBlob(blobs, missing, body);
      await store.blobArrived(digest);
    },
    async blobOffset(origin, digest) {
      await missingOf(origin, digest);
      return uploads.offset(digest);
    },
    async addBlobPart(origin, digest, from, body) {
      const missing = await missingOf(origin, digest);
      checkRoom(missing.total);
      const here = await uploads.offset(digest);
      if (here !== from) return { offset: here, complete: false };
      const offset = await uploads.append(digest, from, noMore(body, missing.size - from));
      if (offset < missing.size) return { offset, complete: false };
      await finish(missing);
      return { offset, complete: true };
    },
  };

  async function finish(missing: MissingBlob): Promise<void> {
    try {
      await keepBlob(blobs, missing, uploads.read(missing.digest));
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.code !== 'integrity') throw thrown;
      await uploads.remove(missing.digest);
      // Wrong bytes are the sender's fault here, not one of what this gateway holds.
      throw new GatewayError('invalid-content', thrown.message, { cause: thrown });
    }
    await store.blobArrived(missing.digest);
    await uploads.remove(missing.digest);
  }
}

/** The pieces, up to so many bytes. Throws `invalid-content` behind the last of them when there are more. */
async function* noMore(pieces: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array, void> {
  let left = bytes;
  for await (const piece of pieces) {
    yield piece.subarray(0, left);
    left -= piece.byteLength;
    if (left < 0) throw new GatewayError('invalid-content', 'these are more bytes than the blob has');
  }
}

/** Streams a blob into the store and checks that it is the one. Throws `integrity`, or what the store throws. */
export async function keepBlob(
  blobs: Pick<BlobStore, 'put'>,
  expected: MissingBlob,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const digest = createHash('sha256');
  let size = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      size += piece.length;
      if (size > expected.size) return;
      digest.update(piece);
      yield piece;
    }
  }
  await blobs.put(counted(), () => {
    const found = digest.digest();
    if (size !== expected.size || !found.equals(expected.digest)) {
      throw new GatewayError('integrity', 'the bytes are not those of the blob that is missing');
    }
    return found;
  });
}
