/** Messages in quarantine, and the log read backwards (port: services/quarantine-store). */
import type { LeafIndex } from '../../core/ids.ts';
import type { QuarantineFilter, QuarantineStore } from '../../services/quarantine-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const BELOW = statement('quarantine-below');
const FROM = statement('quarantine-from');
const COUNT = statement('quarantine-count');
const REPROCESSED = statement('reprocessed-among');
const DOCUMENTS = statement('documents-below');

export function quarantineStore(pool: Pool): QuarantineStore {
  const leaves = async (text: string, values: readonly unknown[]): Promise<readonly LeafIndex[]> => {
    const { rows } = await pool.query<{ leaf: LeafIndex }>(text, [...values]).catch(storeError);
    return rows.map(({ leaf }) => leaf);
  };
  return {
    openBelow: (below, filter, limit) => leaves(BELOW, [below, ...filterValues(filter), limit]),
    openFrom: (from, filter, limit) => leaves(FROM, [from, ...filterValues(filter), limit]),
    async countOpen(filter) {
      const { rows } = await pool
        .query<{ reason: string; count: number }>(COUNT, filterValues(filter))
        .catch(storeError);
      return new Map(rows.map(({ reason, count }) => [reason, count]));
    },
    async reprocessed(originals) {
      if (originals.length === 0) return new Map();
      const { rows } = await pool
        .query<{ original: LeafIndex; leaf: LeafIndex }>(REPROCESSED, [originals])
        .catch(storeError);
      return new Map(rows.map(({ original, leaf }) => [original, leaf]));
    },
    async documentsBelow(below, limit) {
      const { rows } = await pool.query<{ leaf: LeafIndex; body: Buffer }>(DOCUMENTS, [below, limit]).catch(storeError);
      return rows;
    },
  };
}

function filterValues({ reason, source, since }: QuarantineFilter): unknown[] {
  return [reason ?? null, source ?? null, since ?? 0];
}
