/** The own log for replication (port: replication/own-log `OwnLog`): what the ledger endpoints read, and its rows in order. */
import { readTile, tileHashReader, type TileRoots } from '../../ledger/tile-source.ts';
import { TILE_WIDTH, widthAt } from '../../ledger/tile.ts';
import { Lru } from '../../core/lru.ts';
import type { OwnLog } from '../../replication/own-log.ts';
import { documentEntry, payloadRow } from './copied-rows.ts';
import { copyRowsFrom } from './copy-out.ts';
import { ledgerReader } from './ledger-reader.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const DOCUMENTS = statement('documents-from');
const PAYLOADS = statement('payloads-from');
/** Roots of full tiles kept in memory. */
const ROOTS = 4096;

export function ownLog(pool: Pool): OwnLog {
  const reader = ledgerReader(pool);
  const roots: TileRoots = new Lru<string, Buffer>(ROOTS);
  return {
    latest: () => reader.latestBlock(),
    blocks: async (from, limit) => reader.blocks(from, limit),
    leafDigests: (from, to) => reader.leafDigests(from, to),
    hashes(size) {
      const source = {
        digests: (from: number, to: number) => reader.leafDigests(from, to),
        tile: async (level: number, index: number) =>
          widthAt(level, index, size) === TILE_WIDTH ? reader.tile(level, index) : undefined,
      };
      return tileHashReader(size, (level, index, width) => readTile(source, level, index, width, roots));
    },
    documents: (from, limit) => copyRowsFrom(pool, DOCUMENTS, [from, limit], documentEntry),
    payloads: (from, limit) => copyRowsFrom(pool, PAYLOADS, [from, limit], payloadRow),
  };
}
