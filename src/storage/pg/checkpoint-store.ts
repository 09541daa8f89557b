/** State of the witness and of the mirror's pending checkpoints (port: replication/accept-checkpoint). */
import type { AcceptedState, Advance, CheckpointStore, Equivocation } from '../../replication/accept-checkpoint.ts';
import type { EvidenceStore } from '../../replication/witness.ts';
import { EMPTY_ROOT } from '../../ledger/merkle.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

export type CosignerRole = 'witness' | 'mirror';

const LOAD = statement('load-accepted');
const BEGIN = statement('begin-accepted');
const CONVICT = statement('convict');
const EVIDENCE = statement('equivocations');
const LIFT = statement('lift-freeze');
const FROZEN = statement('frozen-origins');

export function checkpointStore(pool: Pool, role: CosignerRole): CheckpointStore & EvidenceStore {
  return {
    async load(origin) {
      const find = async (): Promise<AcceptedState | undefined> =>
        (await pool.query<AcceptedState>(LOAD, [role, origin]).catch(storeError)).rows[0];
      const found = await find();
      if (found !== undefined) return found;
      await pool.query(BEGIN, [role, origin, EMPTY_ROOT]).catch(storeError);
      return (await find()) ?? { size: 0, root: EMPTY_ROOT, note: '', frozen: false };
    },
    async advance(moves) {
      // In one order in all processes: rows are locked one after the other, and nobody waits for somebody who waits for him.
      const sorted = moves.toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
      const { rows } = await pool
        .query<{ origin: string }>(advanceStatement(sorted.length), [
          role,
          ...sorted.flatMap(({ origin, from, to }: Advance) => [
            origin,
            from.size,
            from.root,
            to.size,
            to.root,
            to.note,
          ]),
        ])
        .catch(storeError);
      const moved = new Set(rows.map((row) => row.origin));
      return moves.map(({ origin }) => moved.has(origin));
    },
    async convict({ origin, size, foundAt, first, second }) {
      await pool.query(CONVICT, [origin, size, foundAt, first, second, EMPTY_ROOT]).catch(storeError);
    },
    async evidence() {
      return (await pool.query<Equivocation>(EVIDENCE).catch(storeError)).rows;
    },
  };
}

/** One round trip for all origins of a batch; the primary key finds each row. */
function advanceStatement(count: number): string {
  const rows = Array.from({ length: count }, (_, i) => {
    const [origin, fromSize, fromRoot, size, root, note] = [2, 3, 4, 5, 6, 7].map((n) => `$${i * 6 + n}`);
    return `(${origin}::text, ${fromSize}::bigint, ${fromRoot}::bytea, ${size}::bigint, ${root}::bytea, ${note}::text)`;
  });
  return `
    update accepted_checkpoint a set size = v.size, root = v.root, note = v.note
      from (values ${rows.join(', ')}) v (origin, from_size, from_root, size, root, note)
     where a.role = $1 and a.origin = v.origin and a.size = v.from_size and a.root = v.from_root and not a.frozen
    returning a.origin`;
}

/** Lets cosigning of a frozen origin go on; the evidence stays. False when the origin was not frozen. */
export async function liftFreeze(pool: Pool, origin: string): Promise<boolean> {
  const { rowCount } = await pool.query(LIFT, [origin]).catch(storeError);
  return (rowCount ?? 0) > 0;
}

/** Origins that are frozen. */
export async function frozenOrigins(pool: Pool): Promise<readonly string[]> {
  const { rows } = await pool.query<{ origin: string }>(FROZEN).catch(storeError);
  return rows.map((row) => row.origin);
}
