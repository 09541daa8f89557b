/**
 * The stored ledger as one snapshot, for `verify` and `rebuild` (port: services/verify-ledger `LedgerSource`): a read-only
 * REPEATABLE READ transaction, paged by key.
 */
import type { GroupNumber } from '../../core/ids.ts';
import type { Block } from '../../ledger/block.ts';
import type { DocumentEntry, HeadRow, LedgerSource, PayloadRow, TileRow } from '../../services/verify-ledger.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const HEAD = 'select origin, size, root, compact, block, checkpoint from log_head';
const BLOCKS = `select number, first_leaf as "firstLeaf", size, root, checkpoint, prev from block where number >= $1 order by number limit $2`;
const DOCUMENTS = 'select leaf, digest, body as bytes from document where leaf >= $1 order by leaf limit $2';
const PAYLOADS = 'select grp, digest, size, body from payload where grp >= $1 order by grp limit $2';
const TILES = 'select idx as index, hashes from tile where level = $1 and idx >= $2 order by idx limit $3';

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
