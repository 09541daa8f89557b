/** Small logs in memory for the ledger's tests. */
import { generateKeyPairSync, hash } from 'node:crypto';
import { nextBlock, type Block } from '../../../src/ledger/block.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { appendLeaves, EMPTY_ROOT, leafHash, type CompactRange } from '../../../src/ledger/merkle.ts';
import type { NoteSigner } from '../../../src/ledger/note.ts';
import { levelEntries, TILE_WIDTH } from '../../../src/ledger/tile.ts';
import { readTile, type TileSource } from '../../../src/ledger/tile-source.ts';
import type { KeyPair } from '../../../src/keys/key-set.ts';

export const ORIGIN = 'stmary.example/anamnesis';

export function ed25519(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const rawPublicKey = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return { privateKey, publicKey, rawPublicKey };
}

export function noteSigner(name: string): NoteSigner {
  return { name, ...ed25519() };
}

export function digestsOf(count: number, from = 0): Buffer[] {
  return Array.from({ length: count }, (_, at) => hash('sha256', `document ${from + at}`, 'buffer'));
}

/** A full tile that an append completed. */
export interface CompletedTile {
  readonly level: number;
  readonly index: number;
  /** TILE_BYTES bytes. */
  readonly hashes: Buffer;
}

/** The tiles that become full when documents with these digests are appended to a log of `size` leaves, lowest level first. */
export async function completedTiles(
  size: number,
  digests: readonly Buffer[],
  source: TileSource,
): Promise<CompletedTile[]> {
  const completed: CompletedTile[] = [];
  const after: TileSource = {
    digests: async (from, to) => {
      const old = from < size ? await source.digests(from, Math.min(to, size)) : [];
      return [...old, ...digests.slice(Math.max(0, from - size), Math.max(0, to - size))];
    },
    tile: async (level, index) =>
      levelEntries(level + 1, size) > index
        ? source.tile(level, index)
        : completed.find((tile) => tile.level === level && tile.index === index)?.hashes,
  };
  const newSize = size + digests.length;
  for (let level = 0; levelEntries(level + 1, newSize) > 0; level += 1) {
    for (let index = levelEntries(level + 1, size); index < levelEntries(level + 1, newSize); index += 1) {
      completed.push({ level, index, hashes: await readTile(after, level, index, TILE_WIDTH) });
    }
  }
  return completed;
}

/** A log that grows by `append`, with blocks and stored full tiles, as the group commit makes it. */
export class MemoryLog implements TileSource {
  readonly all: Buffer[] = [];
  readonly blocks: Block[] = [];
  readonly stored: CompletedTile[] = [];
  readonly key: NoteSigner;
  private tree: { size: number; range: CompactRange; root: Buffer } = { size: 0, range: [], root: EMPTY_ROOT };
  private readonly tiles = new Map<string, Buffer>();

  constructor(key: NoteSigner = noteSigner(ORIGIN)) {
    this.key = key;
  }

  async append(digests: readonly Buffer[]): Promise<Block> {
    const completed = await completedTiles(this.tree.size, digests, this);
    for (const tile of completed) this.tiles.set(`${tile.level}/${tile.index}`, tile.hashes);
    this.stored.push(...completed);
    this.all.push(...digests);
    this.tree = appendLeaves(
      this.tree.size,
      this.tree.range,
      digests.map((digest) => leafHash(leafEntry(digest))),
    );
    const checkpoint = signCheckpoint(this.key.name, this.tree.size, this.tree.root, this.key);
    const block = nextBlock(this.blocks.at(-1), this.tree.size, this.tree.root, checkpoint);
    this.blocks.push(block);
    return block;
  }

  get size(): number {
    return this.tree.size;
  }

  get root(): Buffer {
    return this.tree.root;
  }

  async digests(from: number, to: number): Promise<Buffer[]> {
    return this.all.slice(from, to);
  }

  async tile(level: number, index: number): Promise<Buffer | undefined> {
    return this.tiles.get(`${level}/${index}`);
  }
}
