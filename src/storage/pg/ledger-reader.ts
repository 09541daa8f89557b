/** The log as the public ledger endpoints read it (port: services/read-ledger `LedgerReader`). */
import type { Block } from '../../ledger/block.ts';
import type { LedgerReader } from '../../services/read-ledger.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const LATEST = statement('latest-block');
const FROM = statement('blocks-from');
const DIGESTS = statement('leaf-digests');
const DOCUMENT = 'select body from document where leaf = $1';
const TILE = statement('tile');

export function ledgerReader(pool: Pool): LedgerReader {
  return {
    async latestBlock() {
      return (await pool.query<Block>(LATEST).catch(storeError)).rows[0];
    },
    async blocks(from, limit) {
      return (await pool.query<Block>(FROM, [from, limit]).catch(storeError)).rows;
    },
    async leafDigests(from, to) {
      const { rows } = await pool.query<{ digest: Buffer }>(DIGESTS, [from, to]).catch(storeError);
      return rows.map((row) => row.digest);
    },
    async tile(level, index) {
      return (await pool.query<{ hashes: Buffer }>(TILE, [level, index]).catch(storeError)).rows[0]?.hashes;
    },
    async document(leaf) {
      return (await pool.query<{ body: Buffer }>(DOCUMENT, [leaf]).catch(storeError)).rows[0]?.body;
    },
  };
}
