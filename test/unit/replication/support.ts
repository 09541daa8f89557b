/** Logs, cosigners and stores in memory for the tests of replication. */
import type {
  AcceptedState,
  Advance,
  CheckpointStore,
  Equivocation,
} from '../../../src/replication/accept-checkpoint.ts';
import type { EvidenceStore } from '../../../src/replication/witness.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { subtreeConsistencyProof } from '../../../src/ledger/consistency.ts';
import { leafEntry } from '../../../src/ledger/leaf.ts';
import { appendLeaves, EMPTY_ROOT, leafHash } from '../../../src/ledger/merkle.ts';
import { KEY_ED25519, verifierKey, type NoteSigner, type VerifierKey } from '../../../src/ledger/note.ts';
import { TILE_WIDTH } from '../../../src/ledger/tile.ts';
import type { HashReader } from '../../../src/ledger/tree-range.ts';
import { readTile, tileHashReader } from '../../../src/ledger/tile-source.ts';
import { encodeAddCheckpoint } from '../../../src/ledger/witness-message.ts';
import { digestsOf, noteSigner } from '../ledger/support.ts';

/** A log of made-up documents. */
export class TestLog {
  readonly signer: NoteSigner;
  readonly key: VerifierKey;
  readonly digests: Buffer[];

  constructor(origin: string, size: number, options: { signer?: NoteSigner; digests?: Buffer[] } = {}) {
    this.signer = options.signer ?? noteSigner(origin);
    this.key = verifierKey(origin, KEY_ED25519, this.signer.rawPublicKey);
    this.digests = options.digests ?? digestsOf(size);
  }

  get origin(): string {
    return this.signer.name;
  }

  root(size: number): Buffer {
    const hashes = this.digests.slice(0, size).map((digest) => leafHash(leafEntry(digest)));
    return size === 0 ? EMPTY_ROOT : appendLeaves(0, [], hashes).root;
  }

  checkpoint(size: number): string {
    return signCheckpoint(this.origin, size, this.root(size), this.signer);
  }

  async proof(from: number, to: number): Promise<Buffer[]> {
    return from === 0 || from === to ? [] : this.subtreeProof(0, from, to);
  }

  /** That the leaves [start, end) are a subtree of the tree of `size` leaves. */
  async subtreeProof(start: number, end: number, size: number): Promise<Buffer[]> {
    return subtreeConsistencyProof(this.hashes(size), start, end, size);
  }

  hashes(size: number): HashReader {
    const source = { digests: async (a: number, b: number) => this.digests.slice(a, b), tile: async () => undefined };
    return tileHashReader(size, (level, index, width) => readTile(source, level, index, Math.min(width, TILE_WIDTH)));
  }

  async addCheckpoint(from: number, to: number): Promise<string> {
    return encodeAddCheckpoint(from, await this.proof(from, to), this.checkpoint(to));
  }
}

/** A checkpoint store in memory; `fail` lets a test break it before or after it has stored. */
export class MemoryCheckpoints implements CheckpointStore, EvidenceStore {
  readonly states = new Map<string, AcceptedState>();
  readonly kept: Equivocation[] = [];
  fail: 'before' | 'after' | undefined;
  batches = 0;

  async load(origin: string): Promise<AcceptedState> {
    await this.#later();
    return this.states.get(origin) ?? { size: 0, root: EMPTY_ROOT, note: '', frozen: false };
  }

  async advance(moves: readonly Advance[]): Promise<readonly boolean[]> {
    this.batches += 1;
    await this.#later();
    if (this.fail === 'before') throw new Error('failed and not stored');
    const moved = moves.map(({ origin, from, to }) => {
      const state = this.states.get(origin) ?? { size: 0, root: EMPTY_ROOT, note: '', frozen: false };
      if (state.size !== from.size || !state.root.equals(from.root) || state.frozen) return false;
      this.states.set(origin, { ...to, frozen: false });
      return true;
    });
    if (this.fail === 'after') throw new Error('failed but stored');
    return moved;
  }

  async convict(evidence: Equivocation): Promise<void> {
    await this.#later();
    this.kept.push(evidence);
    this.states.set(evidence.origin, { ...(await this.load(evidence.origin)), frozen: true });
  }

  async evidence(): Promise<readonly Equivocation[]> {
    return this.kept;
  }

  #later(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
