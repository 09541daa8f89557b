/** Writes tag counters that were counted again from the ledger (`rebuild`). */
import type { LeafIndex } from '../../core/ids.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const SET = statement('set-next-tags');
const BATCH = 10_000;

/** Durable on return; never moves a counter back. */
export async function setNextTags(pool: Pool, next: ReadonlyMap<LeafIndex, number>): Promise<void> {
  const entries = [...next];
  for (let at = 0; at < entries.length; at += BATCH) {
    const part = entries.slice(at, at + BATCH);
    await pool.query(SET, [part.map(([leaf]) => leaf), part.map(([, n]) => n)]).catch(storeError);
  }
}
