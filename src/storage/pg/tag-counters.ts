/** Writes tag counters that were counted again from the ledger (`rebuild`). */
import type { LeafIndex } from '../../core/ids.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const SET = `
  update lockbox set next_tag = greatest(next_tag, n.next)
    from unnest($1::bigint[], $2::bigint[]) as n(leaf, next) where lockbox.leaf = n.leaf`;
const BATCH = 10_000;

/** Durable on return; never moves a counter back. */
export async function setNextTags(pool: Pool, next: ReadonlyMap<LeafIndex, number>): Promise<void> {
  const entries = [...next];
  for (let at = 0; at < entries.length; at += BATCH) {
    const part = entries.slice(at, at + BATCH);
    await pool.query(SET, [part.map(([leaf]) => leaf), part.map(([, n]) => n)]).catch(storeError);
  }
}
