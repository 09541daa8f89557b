/** Whether a database is one that a gateway has prepared: for commands that must not make anything. */
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

/** True when the tables of the ledger are there. Throws `unavailable` when the database cannot be reached. */
export async function hasLedger(pool: Pool): Promise<boolean> {
  const { rows } = await pool
    .query<{ there: boolean }>(`select to_regclass('log_head') is not null as there`)
    .catch(storeError);
  return rows[0].there;
}
