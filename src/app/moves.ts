/** The follower that takes records after a visit or account that was moved. Of several processes one runs it. */
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { MovesMetrics } from '../edge/http/moves-metrics.ts';
import { MOVES_DEFAULTS, startMovesFollower } from '../followers/moves.ts';
import { patientIds } from '../services/patient-ids.ts';
import { MOVES_LOCK, seekLeadership, type Leadership } from '../storage/pg/leader.ts';
import { pendingMoves } from '../storage/pg/move-store.ts';
import type { Pool } from '../storage/pg/pool.ts';
import { recordStore } from '../storage/pg/record-store.ts';
import type { Keyring } from '../write/keyring.ts';
import type { Writer } from '../write/submission.ts';

export function startMoves(pool: Pool, keyring: Keyring, writer: Writer, metrics: MovesMetrics, log: Log): Leadership {
  return seekLeadership(
    pool,
    () => {
      const records = recordStore(pool);
      const pending = (limit: number): ReturnType<typeof pendingMoves> => pendingMoves(pool, limit);
      const patients = patientIds({ records, keyring });
      const deps = { records, keyring, patients, writer, clock: systemClock, pending, log, observe: metrics };
      const follower = startMovesFollower(deps, MOVES_DEFAULTS);
      return () => follower.close();
    },
    MOVES_LOCK,
  );
}
