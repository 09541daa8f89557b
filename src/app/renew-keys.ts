/**
 * After a rotation of master: renews the wraps in the background, beside the work of the gateway, and destroys the old master in the
 * key file when nothing stands under it any more. Of several processes one does it, and another goes on when that one ends.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../core/errors.ts';
import { describeError, type Log } from '../core/log.ts';
import type { RenewalMetrics } from '../edge/http/renewal-metrics.ts';
import type { KeyProvider } from '../keys/key-provider.ts';
import type { KeySet } from '../keys/key-set.ts';
import { withoutOldMasters } from '../keys/rotate.ts';
import { renewWraps } from '../services/renew-wraps.ts';
import { RENEWAL_LOCK, seekLeadership } from '../storage/pg/leader.ts';
import { logFingerprint } from '../storage/pg/open-log.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { countWraps, wrapStore } from '../storage/pg/wrap-store.ts';
import type { OpenedWriter } from '../write/open-writer.ts';
import type { Teardown } from './teardown.ts';

export interface RenewalParts {
  readonly keys: KeySet;
  readonly provider: KeyProvider;
  readonly pool: Pool;
  readonly opened: Pick<OpenedWriter, 'keyring' | 'committer'>;
  readonly metrics: RenewalMetrics;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** Rest after each page, as a multiple of what the page took: a fifth of one connection and one core at most. */
const REST = 4;
/** Milliseconds until a renewal that failed is begun again. */
const AGAIN_MS = 10_000;

/** How often an idle process looks whether its keys were rotated, milliseconds. */
const WATCH_MS = 2_000;

/** Tells a process that commits nothing that its keys are outdated; one that commits finds out there. */
export function watchKeys(
  { keys, pool, teardown }: Pick<RenewalParts, 'keys' | 'pool' | 'teardown'>,
  fence: () => void,
): void {
  const timer = setInterval(() => {
    logFingerprint(pool).then(
      (now) => now !== undefined && now !== keys.fingerprint && fence(),
      // The database says itself that it is away.
      () => {},
    );
  }, WATCH_MS).unref();
  teardown.add('keys', async () => clearInterval(timer));
}

/** Does nothing where no wrap can stand under an old master. */
export function startRenewal(parts: RenewalParts): void {
  const { keys, pool, teardown } = parts;
  if (keys.history.master.length === 0) return;
  const leadership = seekLeadership(
    pool,
    () => {
      const ending = new AbortController();
      const running = renewUntilDone(parts, ending.signal).then((done) => {
        // The connection that holds the lock is given back; closing waits for this very promise to settle.
        if (done) setImmediate(() => void leadership.close());
      });
      return async () => {
        ending.abort();
        await running;
      };
    },
    RENEWAL_LOCK,
  );
  teardown.add('renewal', () => leadership.close());
}

/** False when it was stopped before the end. Never throws. */
async function renewUntilDone(parts: RenewalParts, signal: AbortSignal): Promise<boolean> {
  const { log, metrics } = parts;
  while (!signal.aborted) {
    try {
      await renewAll(parts, signal);
      metrics.done();
      return true;
    } catch (thrown) {
      if (signal.aborted) return false;
      log.error({ event: 'key-renewal.failed', ...describeError(thrown) });
      await sleep(AGAIN_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }
  return false;
}

async function renewAll(
  { keys, provider, pool, opened, metrics, log }: RenewalParts,
  signal: AbortSignal,
): Promise<void> {
  // Another process may have ended it while this one was waiting for its turn.
  if ((await provider.load({ create: false })).keySet.history.master.length === 0) return;
  metrics.begin(await countWraps(pool));
  log.info({ event: 'key-renewal.begun' });
  let total = 0;
  // A second look finds what was being committed under the old keys during the first, and must find nothing.
  for (;;) {
    const { renewed } = await renewWraps({
      ...opened,
      wraps: wrapStore(pool),
      master: keys.master,
      retired: keys.history.master,
      progress: (done) => metrics.progress(done.seen, total + done.renewed),
      pause: async (tookMs) => sleep(tookMs * REST, undefined, { signal, ref: false }),
    });
    total += renewed;
    if (renewed === 0) break;
  }
  await provider.update((current) => {
    if (current.fingerprint !== keys.fingerprint || current.pending !== undefined) {
      throw new GatewayError('conflict', 'the key file has other keys by now: the next start ends the renewal');
    }
    return current.history.master.length === 0 ? current : withoutOldMasters(current);
  });
  log.warn({ event: 'key-renewal.finished', count: total });
}
