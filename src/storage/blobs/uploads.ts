/**
 * Blobs on their way from other gateways, in a directory beside the blob store: `<root>/<64 hex digits>`, mode 0600. What has come
 * is synced at the end of each part, so that the next one goes on there. What nobody has gone on with for a week is removed at
 * the next start.
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { BlobUploads } from '../../record/blob-store.ts';
import { storeError, syncDirectory, writeWhole } from './fs.ts';

const ABANDONED_MS = 7 * 24 * 3_600_000;
/** Bytes read at once. */
const PIECE = 512 * 1024;

/** Opens (and makes, where it is new) the directory. Throws `unavailable` when it cannot be used. */
export async function openBlobUploads(root: string): Promise<BlobUploads> {
  const pathOf = (digest: Uint8Array): string => join(root, Buffer.from(digest).toString('hex'));
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    await sweep(root);
  } catch (cause) {
    throw storeError(cause);
  }
  const offset = async (digest: Uint8Array): Promise<number> => {
    try {
      return (await stat(pathOf(digest))).size;
    } catch (cause) {
      const error = storeError(cause);
      if (error.code === 'not-found') return 0;
      throw error;
    }
  };
  return {
    offset,
    async append(digest, from, pieces) {
      // Written at its place, not at the end: of two uploads of one part each writes the same bytes.
      const file = await open(pathOf(digest), constants.O_WRONLY | constants.O_CREAT, 0o600).catch(rethrow);
      let at = from;
      try {
        for await (const piece of pieces) {
          await writeWhole(file, piece, at).catch(rethrow);
          at += piece.byteLength;
        }
      } finally {
        // Also where the sender was cut off: what came is kept.
        await file.sync().catch(rethrow);
        await file.close();
        if (from === 0) await syncDirectory(root).catch(rethrow);
      }
      return at;
    },
    async *read(digest) {
      const file = await open(pathOf(digest), constants.O_RDONLY).catch(rethrow);
      try {
        for (let at = 0; ;) {
          const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(PIECE), 0, PIECE, at).catch(rethrow);
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
          at += bytesRead;
        }
      } finally {
        await file.close();
      }
    },
    async remove(digest) {
      await rm(pathOf(digest), { force: true }).catch(rethrow);
    },
  };
}

function rethrow(cause: unknown): never {
  throw cause instanceof GatewayError ? cause : storeError(cause);
}

async function sweep(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const found = await stat(join(root, name)).catch(() => undefined);
    if (found !== undefined && systemClock.now() - found.mtimeMs > ABANDONED_MS) await rm(join(root, name));
  }
}
