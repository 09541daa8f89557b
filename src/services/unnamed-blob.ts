/** What becomes of a blob whose submission made nothing of it: removed when no manifest names it, else left alone. */
import type { ErrorCode } from '../core/errors.ts';
import type { BlobStore } from '../record/blob-store.ts';

export interface UnnamedBlobDeps {
  readonly blobs: Pick<BlobStore, 'remove'>;
  /** True when a manifest names this blob. Asked before a blob is removed, so that no doubt about a commit can cost an object. */
  readonly isBlobNamed: (digest: Uint8Array) => Promise<boolean>;
}

/** After these the commit may still have happened: the blob stays, and the sweep decides. */
export const IN_DOUBT: ReadonlySet<ErrorCode> = new Set(['unavailable', 'timeout', 'internal', 'integrity']);

/** Never throws: a failure here costs only disk, since the sweep finds the orphan. */
export async function removeUnnamed(deps: UnnamedBlobDeps, digest: Buffer): Promise<void> {
  try {
    if (!(await deps.isBlobNamed(digest))) await deps.blobs.remove(digest);
  } catch {
    // Left to the sweep.
  }
}
