/** Moves of records that are not done (port: followers/moves). */
import type { PendingMove } from '../../services/move-records.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const PENDING = statement('pending-moves');

/** Oldest first, at most `limit`. Throws `unavailable`. */
export async function pendingMoves(pool: Pool, limit: number): Promise<readonly PendingMove[]> {
  const { rows } = await pool.query<PendingMove>(PENDING, [limit]).catch(storeError);
  return rows;
}
