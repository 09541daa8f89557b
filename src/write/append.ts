/**
 * Extends the log by one group: leaves, tiles that became full, root, checkpoint (DESIGN section 3). Runs inside the
 * commit's transaction, after the head row is locked and while the rows are on their way: what it returns is true only
 * once that transaction has committed.
 */
import { GatewayError } from '../core/errors.ts';
import { blockLink, NO_PREVIOUS_BLOCK } from '../ledger/block.ts';
import { documentLeafHash } from '../ledger/leaf.ts';
import { decodeCompactRange, encodeCompactRange, foldRange, HASH_BYTES, nodeHash } from '../ledger/merkle.ts';
import type { GroupAppend, GrownTree, LogHead, LogReader } from './ports.ts';

const TILE_WIDTH = 256;
/** A tile spans this many levels of the tree. */
const TILE_HEIGHT = 8;
/** Leaves hashed in one go; in between the rows of the group go on to the database. */
const SLICE = 128;

export interface Appender {
  /** Digests of the new documents, in order. */
  append(head: LogHead, log: LogReader, digests: readonly Buffer[]): Promise<GrownTree>;
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
      const grown = await grow(head, levels, digests);
      return {
        sign() {
          const checkpoint = checkpointOf(grown.size, grown.root);
          edge = { size: grown.size, root: grown.root, levels };
          const { size, root } = grown;
          return {
            head: { size, root, compact: grown.compact, block: head.block + 1, checkpoint },
            firstLeaf: head.size,
            root,
            prev: head.block < 0 ? NO_PREVIOUS_BLOCK : blockLink(head.checkpoint),
            tiles: grown.tiles,
          };
        },
      };
    },
  };
}

interface Grown {
  readonly size: number;
  readonly root: Buffer;
  readonly compact: Buffer;
  readonly tiles: GroupAppend['tiles'];
}

/**
 * Appends leaves: two hashes each. The complete subtrees of the compact range (`appendLeaves` in `ledger/merkle` says how they
 * merge) are the tiles' roots at every eighth level, so that no tile is hashed for itself.
 */
async function grow(head: LogHead, levels: Buffer[][], digests: readonly Buffer[]): Promise<Grown> {
  const stack = [...decodeCompactRange(head.size, head.compact)];
  const tiles: { level: number; index: number; hashes: Buffer }[] = [];
  let size = head.size;
  for (const digest of digests) {
    let node = documentLeafHash(digest);
    putInTile(levels, tiles, 0, size, node);
    let height = 0;
    for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) {
      const left = stack.pop();
      if (left === undefined)
        throw new GatewayError('integrity', 'the compact range of the head does not fit its size');
      node = nodeHash(left, node);
      height += 1;
      if (height % TILE_HEIGHT === 0) {
        const level = height / TILE_HEIGHT;
        putInTile(levels, tiles, level, (size + 1) / TILE_WIDTH ** level - 1, node);
      }
    }
    stack.push(node);
    size += 1;
    if (size % SLICE === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { size, root: foldRange(stack), compact: encodeCompactRange(stack), tiles };
}

/** Enters the hash at `index` of a level into its tile; a tile that is full goes to `tiles`. */
function putInTile(
  levels: Buffer[][],
  tiles: { level: number; index: number; hashes: Buffer }[],
  level: number,
  index: number,
  hash: Buffer,
): void {
  levels[level] ??= [];
  levels[level].push(hash);
  if (levels[level].length < TILE_WIDTH) return;
  tiles.push({ level, index: Math.floor(index / TILE_WIDTH), hashes: Buffer.concat(levels[level]) });
  levels[level] = [];
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
  const levels = [(await log.digests(from, size)).map((digest) => documentLeafHash(digest))];
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
