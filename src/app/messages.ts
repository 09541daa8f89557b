/** The quarantine of a gateway: what looks after it, and its numbers in the metrics. */
import { systemClock } from '../core/clock.ts';
import { describeError, type Log } from '../core/log.ts';
import type { GatewayMetrics } from '../edge/http/metrics.ts';
import type { ReprocessDeps } from '../services/reprocess-message.ts';
import type { Sources } from '../services/sources.ts';
import { messageStore } from '../storage/pg/message-store.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { quarantineStore } from '../storage/pg/quarantine-store.ts';
import type { Keyring } from '../write/keyring.ts';
import type { Writer } from '../write/submission.ts';
import type { Teardown } from './teardown.ts';

export interface MessageCareParts {
  readonly pool: Pool;
  readonly keyring: Keyring;
  readonly writer: Writer;
  readonly sources: Sources;
  readonly log: Log;
}

export function messageCare({ pool, keyring, writer, sources, log }: MessageCareParts): ReprocessDeps {
  const stores = { messages: messageStore(pool), quarantine: quarantineStore(pool) };
  return { ...stores, keyring, writer, sources, clock: systemClock, log };
}

/** How often the messages in quarantine are counted, milliseconds. */
const EVERY_MS = 30_000;

/** Counts what waits in quarantine, of all processes and of earlier days; says so at start. */
export async function watchQuarantine(
  pool: Pool,
  metrics: Pick<GatewayMetrics, 'inQuarantine'>,
  log: Log,
  teardown: Teardown,
): Promise<void> {
  const store = quarantineStore(pool);
  const look = async (): Promise<number> => {
    const open = await store.countOpen({});
    metrics.inQuarantine(open);
    return [...open.values()].reduce((sum, count) => sum + count, 0);
  };
  const count = await look();
  if (count > 0) log.warn({ event: 'quarantine-open', count });
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.warn({ event: 'quarantine-unknown', ...describeError(error) }));
  }, EVERY_MS).unref();
  teardown.add('quarantine', async () => clearInterval(timer));
}
