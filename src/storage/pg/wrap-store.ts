/** The wraps of a database, page by page (port: services/renew-wraps `WrapStore`). */
import type { LockboxWrap, PatientWrap, WrapStore } from '../../services/renew-wraps.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const LOCKBOXES = statement('lockbox-wraps');
const PATIENTS = statement('patient-wraps');
const COUNT = statement('count-wraps');

/** How many wraps there are. Throws `unavailable`. */
export async function countWraps(pool: Pool): Promise<number> {
  return (await pool.query<{ n: number }>(COUNT).catch(storeError)).rows[0].n;
}

export function wrapStore(pool: Pool): WrapStore {
  return {
    async lockboxes(after, limit) {
      return (await pool.query<LockboxWrap>(LOCKBOXES, [after, limit]).catch(storeError)).rows;
    },
    async patients(after, limit) {
      return (await pool.query<PatientWrap>(PATIENTS, [after ?? null, limit]).catch(storeError)).rows;
    },
  };
}
