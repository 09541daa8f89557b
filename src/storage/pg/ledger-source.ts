/**
 * The stored ledger as one snapshot, for `verify` and `rebuild` (port: services/verify-ledger `LedgerSource`): a read-only
 * REPEATABLE READ transaction, paged by key.
 */
import type { GroupNumber } from '../../core/ids.ts';
import type { Block } from '../../ledger/block.ts';
import type { DocumentEntry, HeadRow, LedgerSource, PayloadRow, TileRow } from '../../services/verify-ledger.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const HEAD = statement('source-head');
const BLOCKS = statement('blocks-from');
const DOCUMENTS = statement('documents-from');
const PAYLOADS = statement('payloads-from');
const TILES = statement('tiles-from');

/** Runs `work` on one snapshot; the connection is given back when it ends. */
export async function withLedgerSource<T>(pool: Pool, work: (source: LedgerSource) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch(storeError);
  const rows = async <R extends object>(text: string, values: unknown[]): Promise<R[]> =>
    (await client.query<R>(text, values).catch(storeError)).rows;
  let failure: Error | undefined;
  try {
    await client.query('begin isolation level repeatable read read only');
    return await work({
      head: async () => (await rows<HeadRow>(HEAD, []))[0],
      blocks: (from, limit) => rows<Block>(BLOCKS, [from, limit]),
      documents: (fromLeaf, limit) => rows<DocumentEntry>(DOCUMENTS, [fromLeaf, limit]),
      async payloads(fromGroup, limit) {
        const found = await rows<{ grp: GroupNumber; digest: Buffer; size: number; body: Buffer | null }>(PAYLOADS, [
          fromGroup,
          limit,
        ]);
        return found.map(({ grp, digest, size, body }): PayloadRow => ({
          group: grp,
          digest,
          size,
          packed: body ?? undefined,
        }));
      },
      tiles: (level, fromIndex, limit) => rows<TileRow>(TILES, [level, fromIndex, limit]),
    });
  } catch (error) {
    failure = error instanceof Error ? error : new Error('unknown');
    throw error;
  } finally {
    await client.query('rollback').catch(() => {});
    client.release(failure);
  }
}
