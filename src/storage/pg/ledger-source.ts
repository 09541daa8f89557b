/**
 * The stored ledger as one snapshot, for `verify` and `rebuild` (port: services/verify-ledger `LedgerSource`): a read-only
 * REPEATABLE READ transaction, paged by key.
 */
import { lane } from '../../core/lane.ts';
import type { Block } from '../../ledger/block.ts';
import type { HeadRow, LedgerSource, TileRow } from '../../services/verify-ledger.ts';
import type { HashSource } from '../../services/verify-hashes.ts';
import { copyRow, copyRows } from './copy-out.ts';
import { documentEntry, payloadRow } from './copied-rows.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const HEAD = statement('source-head');
const BLOCKS = statement('blocks-from');
const DOCUMENTS = statement('documents-from');
const DOCUMENT_BATCH = statement('document-batch');
const PAYLOADS = statement('payloads-from');
const TILES = statement('tiles-from');

/** Runs `work` on one snapshot; the connection is given back when it ends. */
export async function withLedgerSource<T>(
  pool: Pool,
  work: (source: LedgerSource & HashSource) => Promise<T>,
): Promise<T> {
  const client = await pool.connect().catch(storeError);
  // One statement at a time is all that a connection of pg takes.
  const inTurn = lane();
  const rows = async <R extends object>(text: string, values: unknown[]): Promise<R[]> =>
    (await inTurn(() => client.query<R>(text, values)).catch(storeError)).rows;
  let failure: Error | undefined;
  try {
    await client.query('begin isolation level repeatable read read only');
    return await work({
      head: async () => (await rows<HeadRow>(HEAD, []))[0],
      blocks: (from, limit) => rows<Block>(BLOCKS, [from, limit]),
      documents: (fromLeaf, limit) =>
        inTurn(() => copyRows(client, DOCUMENTS, [fromLeaf, limit], documentEntry)).catch(storeError),
      payloads: (fromGroup, limit) =>
        inTurn(() => copyRows(client, PAYLOADS, [fromGroup, limit], payloadRow)).catch(storeError),
      async documentBatch(from, to) {
        // COPY takes no parameters: two numbers of our own.
        const select = DOCUMENT_BATCH.replace('$1', String(Number(from))).replace('$2', String(Number(to)));
        const [digests, lengths, bodies] = await inTurn(() => copyRow(client, select)).catch(storeError);
        return { digests, lengths, bodies };
      },
      tiles: (level, fromIndex, limit) => rows<TileRow>(TILES, [level, fromIndex, limit]),
    });
  } catch (error) {
    failure = error instanceof Error ? error : new Error('unknown');
    throw error;
  } finally {
    await inTurn(() => client.query('rollback')).catch(() => {});
    client.release(failure);
  }
}
