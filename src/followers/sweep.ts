/**
 * Sweep: removes blobs that no manifest names. They come from crashes between blob and commit, and from objects that the
 * writer refused. Only old ones: a young one may be waiting for its commit, and after a restore from an older backup the
 * manifests that name a blob may still be on their way.
 */
import type { Clock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { BlobStore } from '../record/blob-store.ts';

export interface SweepDeps {
  readonly blobs: Pick<BlobStore, 'list' | 'remove'>;
  /** True when a manifest names the blob. Throws `unavailable`: then nothing is removed. */
  readonly isBlobNamed: (digest: Uint8Array) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface SweepSettings {
  /** Time between two sweeps, milliseconds. */
  readonly everyMs: number;
  /** Age below which a blob is left alone, milliseconds. Danger: shorter than the longest restore loses objects. */
  readonly minAgeMs: number;
}

export const SWEEP_DEFAULTS: SweepSettings = { everyMs: 24 * 3_600_000, minAgeMs: 7 * 24 * 3_600_000 };

export interface Sweep {
  /** One sweep now; resolves with the number of blobs removed. */
  run(): Promise<number>;
  /** Resolves when nothing runs any more. */
  close(): Promise<void>;
}

/** One pass over the store. Throws what the store or the database throw; what was removed until then is removed. */
export async function sweepBlobs(
  deps: SweepDeps,
  minAgeMs: number,
  stop: () => boolean = () => false,
): Promise<number> {
  let removed = 0;
  for await (const { digest, storedAt } of deps.blobs.list()) {
    if (stop()) break;
    if (deps.clock.now() - storedAt < minAgeMs || (await deps.isBlobNamed(digest))) continue;
    await deps.blobs.remove(digest);
    removed += 1;
  }
  return removed;
}

/** Sweeps every `everyMs`, for the first time after one such time. Errors are logged; the next sweep tries again. */
export function startSweep(deps: SweepDeps, settings: SweepSettings): Sweep {
  let closed = false;
  let running: Promise<number> = Promise.resolve(0);
  const run = (): Promise<number> => {
    running = running.then(async () => {
      try {
        const count = await sweepBlobs(deps, settings.minAgeMs, () => closed);
        if (count > 0) deps.log.info({ event: 'blobs.swept', count });
        return count;
      } catch (thrown) {
        const error = asGatewayError(thrown);
        deps.log.error({ event: 'blobs.sweep-failed', code: error.code, ...describeError(error) });
        return 0;
      }
    });
    return running;
  };
  const timer = setInterval(() => void run(), settings.everyMs);
  timer.unref();
  return {
    run,
    async close() {
      closed = true;
      clearInterval(timer);
      await running;
    },
  };
}
