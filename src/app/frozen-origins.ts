/**
 * The alarm of frozen origins (docs/replication.md): which logs this gateway has stopped cosigning, as the database says it. So
 * the alarm outlives a restart, and every process of the gateway raises it, whichever has found the evidence.
 */
import type { Log } from '../core/log.ts';
import { frozenOrigins } from '../storage/pg/checkpoint-store.ts';
import type { Pool } from '../storage/pg/pool.ts';

export interface FrozenOriginsDeps {
  readonly pool: Pool;
  readonly log: Log;
  /** Called with how many are frozen, at each look. */
  readonly onCount: (count: number) => void;
}

/** A look at the frozen origins; each is said once a process and freeze. Rejects with `unavailable`. */
export function frozenOriginsAlarm({ pool, log, onCount }: FrozenOriginsDeps): () => Promise<void> {
  let known: ReadonlySet<string> = new Set();
  return async () => {
    const frozen = new Set(await frozenOrigins(pool));
    for (const origin of frozen) if (!known.has(origin)) log.error({ event: 'origin-frozen', source: origin });
    for (const origin of known) if (!frozen.has(origin)) log.warn({ event: 'origin-lifted', source: origin });
    known = frozen;
    onCount(frozen.size);
  };
}
