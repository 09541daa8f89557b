/**
 * What others have said and this gateway has anchored, and what its witness has accepted (ports: replication/suspension,
 * followers/peer-checkpoints).
 */
import type { AnchoredCheckpoint, PeerCheckpointStore } from '../../followers/peer-checkpoints.ts';
import { parseCheckpoint } from '../../ledger/checkpoint.ts';
import type { SuspensionStore } from '../../replication/suspension.ts';
import { checkpointStore } from './checkpoint-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const STATEMENTS = statement('suspension-statements');
const MARK = statement('suspension-mark');
const CHECKPOINTS = statement('peer-checkpoints');
const WITNESSED = statement('witnessed-checkpoints');
const RAISE = statement('raise-accepted');

/** `anchor` puts a statement into the log. */
export function suspensionStore(pool: Pool, anchor: SuspensionStore['anchor']): SuspensionStore {
  return {
    anchor,
    async all() {
      const { rows } = await pool.query<{ statement: string; document: Buffer | null }>(STATEMENTS).catch(storeError);
      return rows.map(({ statement: text, document }) => ({ statement: text, document: document ?? undefined }));
    },
    async mark() {
      return (await pool.query<{ mark: string }>(MARK).catch(storeError)).rows[0].mark;
    },
  };
}

export function peerCheckpointStore(pool: Pool): PeerCheckpointStore {
  return {
    async anchored() {
      const { rows } = await pool
        .query<{ note: string; second: string | null; foundAt: number | null }>(CHECKPOINTS)
        .catch(storeError);
      return rows.flatMap(({ note, second, foundAt }): AnchoredCheckpoint[] => {
        const checkpoint = parseCheckpoint(note)?.checkpoint;
        if (checkpoint === undefined) return [];
        const { origin, size, root } = checkpoint;
        return [{ origin, size, root, note, second: second ?? undefined, foundAt: foundAt ?? undefined }];
      });
    },
    async accepted() {
      return (await pool.query<{ origin: string; size: number; note: string }>(WITNESSED).catch(storeError)).rows;
    },
    evidence: () => checkpointStore(pool, 'witness').evidence(),
  };
}

/**
 * After a rebuild or restore: the witness is at least where the ledger says that it was, and origins are frozen for which evidence was
 * anchored that is not known here. Idempotent.
 */
export async function applyPeerCheckpoints(pool: Pool): Promise<void> {
  const store = peerCheckpointStore(pool);
  const known = [...(await store.evidence())];
  for (const { origin, size, root, note, second, foundAt } of await store.anchored()) {
    if (second === undefined) {
      await pool.query(RAISE, [origin, size, root, note]).catch(storeError);
    } else if (!known.some((one) => one.first === note && one.second === second)) {
      const found = { origin, size, foundAt: foundAt ?? 0, first: note, second };
      await checkpointStore(pool, 'witness').convict(found);
      known.push(found);
    }
  }
}
