/**
 * The block chain (DESIGN section 4): one block for every group commit, each with the SHA-256 of the previous block's
 * checkpoint, so that plain SQL can walk the ledger. Checks the links of the chain; the roots and signatures are checked
 * by `verify`.
 */
import { hash } from 'node:crypto';
import { equalBytes } from '../core/bytes.ts';
import { parseCheckpoint } from './checkpoint.ts';

export interface Block {
  /** From 0. */
  readonly number: number;
  /** First leaf of this block: the size of the tree before it. */
  readonly firstLeaf: number;
  /** Size of the tree after it; always larger than firstLeaf. */
  readonly size: number;
  /** Root of the tree at `size`, 32 bytes. */
  readonly root: Buffer;
  /** The signed checkpoint of (size, root), as text. */
  readonly checkpoint: string;
  /** SHA-256 of the previous block's checkpoint text (the whole note, UTF-8), 32 bytes; zeros in block 0. */
  readonly prev: Buffer;
}

/** `prev` of block 0. */
export const NO_PREVIOUS_BLOCK: Buffer = Buffer.alloc(32);

/** What stands as `prev` in the block after one with this checkpoint. */
export function blockLink(checkpoint: string): Buffer {
  return hash('sha256', checkpoint, 'buffer');
}

/** The block that follows `previous` (undefined: block 0) with a tree head and its signed checkpoint. */
export function nextBlock(previous: Block | undefined, size: number, root: Buffer, checkpoint: string): Block {
  return {
    number: previous === undefined ? 0 : previous.number + 1,
    firstLeaf: previous === undefined ? 0 : previous.size,
    size,
    root,
    checkpoint,
    prev: previous === undefined ? NO_PREVIOUS_BLOCK : blockLink(previous.checkpoint),
  };
}

/** What can be wrong with a block beside its predecessor. */
export type BlockFault = 'number' | 'first-leaf' | 'size' | 'prev' | 'checkpoint-malformed' | 'checkpoint-mismatch';

/**
 * Everything that is wrong with `block` as the successor of `previous` (undefined: as block 0): number, first leaf, size,
 * link, and whether its checkpoint says this origin, size and root. Does not verify root or signatures.
 */
export function blockFaults(previous: Block | undefined, block: Block, origin: string): BlockFault[] {
  const faults: BlockFault[] = [];
  const expected = nextBlock(previous, block.size, block.root, block.checkpoint);
  if (block.number !== expected.number) faults.push('number');
  if (block.firstLeaf !== expected.firstLeaf) faults.push('first-leaf');
  if (block.size <= block.firstLeaf) faults.push('size');
  if (!equalBytes(block.prev, expected.prev)) faults.push('prev');
  const parsed = parseCheckpoint(block.checkpoint)?.checkpoint;
  if (parsed === undefined) faults.push('checkpoint-malformed');
  else if (parsed.origin !== origin || parsed.size !== block.size || !equalBytes(parsed.root, block.root)) {
    faults.push('checkpoint-mismatch');
  }
  return faults;
}
