/**
 * Blob store in a directory: `<root>/<first two hex digits>/<the other 62>`, mode 0600. A blob is written to a temporary
 * file, synced, renamed, and its directory synced. Names are digests, never anything that a sender chose.
 * A file that a crash leaves in `tmp` has no name yet: it is removed at the first start a day later (other processes may
 * be writing there).
 */
import { constants } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { randomUuid, systemRandom } from '../../core/random.ts';
import type { BlobStore, StoredBlob } from '../../record/blob-store.ts';

const DIGEST_BYTES = 32;
/** Ciphertext gathered for one write call, bytes: a call costs about as much as sealing 64 KiB. */
const GATHER_BYTES = 512 * 1024;
/** Age at which a temporary file is of no living process, milliseconds. */
const TEMPORARY_MAX_AGE_MS = 24 * 3_600_000;

/** Our error for one of the file system: PHI-free, with the cause kept. */
export function storeError(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return new GatewayError('not-found', 'the blob is not in the store', { cause });
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new GatewayError('storage-full', 'the blob store is full; free some disk', { cause });
  return new GatewayError('unavailable', 'the blob store cannot be used; the log has the reason', { cause });
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    closeLater(directory);
  }
}

/** Closes without waiting: what is synced is durable, and every wait costs an object a turn of the thread pool. */
function closeLater(file: FileHandle): void {
  file.close().catch(() => {});
}

/** Opens (and makes, where it is new) a blob store under `root`. Throws `unavailable` when the directory cannot be used. */
export async function openFileBlobStore(root: string): Promise<BlobStore> {
  const temporary = join(root, 'tmp');
  const directoryOf = (hex: string): string => join(root, hex.slice(0, 2));
  const pathOf = (digest: Uint8Array): string => {
    if (digest.byteLength !== DIGEST_BYTES) throw new GatewayError('internal', 'a blob digest has 32 bytes');
    const hex = Buffer.from(digest).toString('hex');
    return join(directoryOf(hex), hex.slice(2));
  };

  try {
    await mkdir(temporary, { recursive: true, mode: 0o700 });
    await sweep(temporary);
    // All 256 directories now, so that a put never has to sync the root.
    for (let i = 0; i < 256; i += 1)
      await mkdir(join(root, i.toString(16).padStart(2, '0')), { recursive: true, mode: 0o700 });
    await syncDirectory(root);
  } catch (cause) {
    throw storeError(cause);
  }

  const statAt = async (digest: Uint8Array): Promise<StoredBlob | undefined> => {
    try {
      const found = await stat(pathOf(digest));
      return { digest: Buffer.from(digest), size: found.size, storedAt: Math.floor(found.mtimeMs) };
    } catch (cause) {
      const error = storeError(cause);
      if (error.code === 'not-found') return undefined;
      throw error;
    }
  };

  return {
    async put(ciphertext, digest) {
      const path = join(temporary, randomUuid(systemRandom));
      const gathered: Uint8Array[] = [];
      let bytes = 0;
      let source: { readonly thrown: unknown } | undefined;
      try {
        const file = await open(path, 'wx', 0o600);
        try {
          const pieces = ciphertext[Symbol.asyncIterator]();
          for (;;) {
            const next = await pieces.next().catch((thrown: unknown) => {
              source = { thrown };
              throw thrown;
            });
            if (next.done !== true) {
              gathered.push(next.value);
              bytes += next.value.byteLength;
            }
            if (bytes >= GATHER_BYTES || (next.done === true && bytes > 0)) {
              await writeWhole(file, Buffer.concat(gathered.splice(0), bytes)).catch(async (cause: unknown) => {
                await pieces.return?.();
                throw cause;
              });
              bytes = 0;
            }
            if (next.done === true) break;
          }
          await file.sync();
        } finally {
          closeLater(file);
        }
        const target = pathOf(digest());
        // A crash before the rename leaves a nameless file; after it, a blob that no manifest names yet: an orphan.
        await rename(path, target);
        await syncDirectory(join(target, '..'));
      } catch (cause) {
        await rm(path, { force: true }).catch(() => {});
        if (source !== undefined) throw source.thrown;
        // Nothing here may be called missing: the caller asked for nothing.
        const error = storeError(cause);
        throw error.code === 'not-found' ? new GatewayError('unavailable', error.message, { cause }) : error;
      }
    },
    async readAt(digest, offset, length) {
      try {
        const file = await open(pathOf(digest), constants.O_RDONLY);
        try {
          const bytes = Buffer.allocUnsafe(length);
          let filled = 0;
          while (filled < length) {
            const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
            if (bytesRead === 0) break;
            filled += bytesRead;
          }
          return bytes.subarray(0, filled);
        } finally {
          await file.close();
        }
      } catch (cause) {
        throw storeError(cause);
      }
    },
    stat: statAt,
    async remove(digest) {
      try {
        const path = pathOf(digest);
        await rm(path, { force: true });
        await syncDirectory(join(path, '..'));
      } catch (cause) {
        throw storeError(cause);
      }
    },
    async *list() {
      for (const prefix of await readdir(root)) {
        if (!/^[0-9a-f]{2}$/.test(prefix)) continue;
        for (const name of await readdir(join(root, prefix))) {
          if (!/^[0-9a-f]{62}$/.test(name)) continue;
          const found = await statAt(Buffer.from(prefix + name, 'hex'));
          if (found !== undefined) yield found;
        }
      }
    },
  };
}

/** Removes what crashed processes left. */
async function sweep(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && systemClock.now() - found.mtimeMs > TEMPORARY_MAX_AGE_MS)
      await rm(path, { force: true });
  }
}

/** Writes all of `bytes`: at `position`, or where the file stands. */
export async function writeWhole(file: FileHandle, bytes: Uint8Array, position?: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const place = position === undefined ? null : position + at;
    const { bytesWritten } = await file.write(bytes, at, bytes.byteLength - at, place);
    at += bytesWritten;
  }
}
