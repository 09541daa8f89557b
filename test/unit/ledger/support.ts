/** Small logs in memory for the ledger's tests. */
import { generateKeyPairSync, hash } from 'node:crypto';
import { nextBlock, type Block } from '../../../src/ledger/block.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { appendLeaves, EMPTY_ROOT, leafHash, type CompactRange } from '../../../src/ledger/merkle.ts';
import type { NoteSigner } from '../../../src/ledger/note.ts';
import { completedTiles, type CompletedTile, type TileSource } from '../../../src/ledger/tile-source.ts';
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
