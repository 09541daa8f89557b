/**
 * Extends the log by one group: leaves, tiles that became full, root, checkpoint (DESIGN section 3). Runs inside the
 * commit's transaction, after the head row is locked: what it returns is true only once that transaction has committed.
 */
import { GatewayError } from '../core/errors.ts';
import { blockLink, NO_PREVIOUS_BLOCK } from '../ledger/block.ts';
import { leafEntry } from '../ledger/leaf.ts';
import {
  appendLeaves,
  decodeCompactRange,
  encodeCompactRange,
  HASH_BYTES,
  leafHash,
  nodeHash,
} from '../ledger/merkle.ts';
import type { GroupAppend, LogHead, LogReader } from './ports.ts';

const TILE_WIDTH = 256;

export interface Appender {
  /** Digests of the new documents, in order. */
  append(head: LogHead, log: LogReader, digests: readonly Buffer[]): Promise<GroupAppend>;
}

interface Edge {
  readonly size: number;
  readonly root: Buffer;
  readonly levels: Buffer[][];
}

/**
 * An appender for one log; `checkpointOf` signs the new tree head. Keeps the leaf hashes of the last, unfinished tile of each level in memory, and reads them
 * from the log whenever its memory is not exactly the locked head (another process, a failed commit, a restart).
 */
export function logAppender(checkpointOf: (size: number, root: Buffer) => string): Appender {
  let edge: Edge | undefined;
  return {
    async append(head, log, digests) {
      const known = edge !== undefined && edge.size === head.size && edge.root.equals(head.root);
      const levels = known && edge !== undefined ? edge.levels : await readEdge(head.size, log);
      // Until the commit is known the memory is not trusted: a failed write must not leave hashes that no row holds.
      edge = undefined;
      const hashes = digests.map((digest) => leafHash(leafEntry(digest)));
      const tiles = fillTiles(head.size, levels, hashes);
      const grown = appendLeaves(head.size, decodeCompactRange(head.size, head.compact), hashes);
      const checkpoint = checkpointOf(grown.size, grown.root);
      edge = { size: grown.size, root: grown.root, levels };
      return {
        head: {
          size: grown.size,
          root: grown.root,
          compact: encodeCompactRange(grown.range),
          block: head.block + 1,
          checkpoint,
        },
        firstLeaf: head.size,
        root: grown.root,
        prev: head.block < 0 ? NO_PREVIOUS_BLOCK : blockLink(head.checkpoint),
        tiles,
      };
    },
  };
}

/** Appends leaf hashes to the right edge; a level that reaches 256 becomes a tile and one hash of the level above. */
function fillTiles(size: number, levels: Buffer[][], hashes: readonly Buffer[]): GroupAppend['tiles'] {
  const tiles: { level: number; index: number; hashes: Buffer }[] = [];
  let count = size;
  for (const hash of hashes) {
    count += 1;
    let carried = hash;
    for (let level = 0; ; level += 1) {
      levels[level] ??= [];
      levels[level].push(carried);
      if (levels[level].length < TILE_WIDTH) break;
      const full = levels[level];
      levels[level] = [];
      tiles.push({ level, index: count / TILE_WIDTH ** (level + 1) - 1, hashes: Buffer.concat(full) });
      carried = subtreeRoot(full);
    }
  }
  return tiles;
}

/** Root over 256 hashes of one level. */
function subtreeRoot(hashes: readonly Buffer[]): Buffer {
  let row = hashes;
  while (row.length > 1) {
    const next: Buffer[] = [];
    for (let i = 0; i < row.length; i += 2) next.push(nodeHash(row[i], row[i + 1]));
    row = next;
  }
  return row[0];
}

/** The unfinished tile of each level at this size: level 0 from document digests, above from the full tiles below. */
async function readEdge(size: number, log: LogReader): Promise<Buffer[][]> {
  const from = size - (size % TILE_WIDTH);
  const levels = [(await log.digests(from, size)).map((digest) => leafHash(leafEntry(digest)))];
  if (levels[0].length !== size - from) throw new GatewayError('integrity', 'documents of the log are missing');
  for (let level = 1; TILE_WIDTH ** level <= size; level += 1) {
    const end = Math.floor(size / TILE_WIDTH ** level);
    const row: Buffer[] = [];
    for (let index = end - (end % TILE_WIDTH); index < end; index += 1) {
      const tile = await log.tile(level - 1, index);
      if (tile?.length !== TILE_WIDTH * HASH_BYTES)
        throw new GatewayError('integrity', 'a full tile of the log is missing');
      row.push(subtreeRoot(chunks(tile)));
    }
    levels.push(row);
  }
  return levels;
}

function chunks(tile: Buffer): Buffer[] {
  return Array.from({ length: TILE_WIDTH }, (_, i) => tile.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}
