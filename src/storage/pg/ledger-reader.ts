/** The log as the public ledger endpoints read it (port: services/read-ledger `LedgerReader`). */
import type { Block } from '../../ledger/block.ts';
import type { LedgerReader } from '../../services/read-ledger.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';

const BLOCK = 'number, first_leaf as "firstLeaf", size, root, checkpoint, prev';
const LATEST = `select ${BLOCK} from block order by number desc limit 1`;
const FROM = `select ${BLOCK} from block where number >= $1 order by number limit $2`;
const DIGESTS = 'select digest from document where leaf >= $1 and leaf < $2 order by leaf';
const TILE = 'select hashes from tile where level = $1 and idx = $2';

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
  };
}
