/** How far a ledger is derived into this database (port: services/rebuild-item `DerivationStore`). */
import type { DerivationStore, DerivedTo } from '../../services/rebuild-item.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const LOAD = statement('load-derivation');
const SAVE = statement('save-derivation');
const NEXT_TAG = statement('next-tags');

export function derivationStore(pool: Pool): DerivationStore {
  return {
    async load() {
      return (await pool.query<DerivedTo>(LOAD).catch(storeError)).rows[0];
    },
    async save({ block, leaf, records }, next) {
      const counters = [...next];
      const values = [counters.map(([at]) => at), counters.map(([, n]) => n), block, leaf, records];
      await pool.query(SAVE, values).catch(storeError);
    },
    async nextTag(leaf) {
      const { rows } = await pool.query<{ next: number }>(NEXT_TAG, [leaf]).catch(storeError);
      return rows[0]?.next;
    },
    async end() {
      await pool.query('delete from derivation').catch(storeError);
    },
  };
}
