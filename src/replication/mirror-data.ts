/**
 * Takes in documents, sealed payloads and blocks of a mirrored log: every document must be the one that its stored entry
 * names, every payload the one that its document names, every block must continue the chain and carry the log's signature
 * over the root of the tree up to it. What is wrong ends the upload; what was right before it stays.
 */
import { hash } from 'node:crypto';
import { ByteReader } from '../core/byte-reader.ts';
import { equalBytes } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { groupNumber, type LeafIndex } from '../core/ids.ts';
import { blockLink, type Block } from '../ledger/block.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import { leafEntry } from '../ledger/leaf.ts';
import {
  appendLeaves,
  decodeCompactRange,
  encodeCompactRange,
  foldRange,
  HASH_BYTES,
  leafHash,
  type CompactRange,
} from '../ledger/merkle.ts';
import { verifyNote, type VerifierKey } from '../ledger/note.ts';
import { TILE_WIDTH } from '../ledger/tile.ts';
import { parseDocument, type PayloadEntry } from '../record/document.ts';
import { compactOf } from '../record/sealed-group.ts';
import { heldFrame, readFrame, type Frame } from './frames.ts';
import type { LogRows, MirrorBatch, MirrorData, MirrorEntries, MirrorPayload, MirrorState } from './mirror-ports.ts';

/** A batch is stored when it has so many documents or bytes. */
const BATCH_DOCUMENTS = 2048;
const BATCH_BYTES = 8 * 1024 * 1024;

export type DataOutcome =
  /** Everything that came is stored; `cut` streams too, up to where they were whole. */
  | { readonly kind: 'stored'; readonly held: number }
  /** Somebody else's upload is ahead: begin at `held`. */
  | { readonly kind: 'elsewhere'; readonly held: number }
  /** What came is not what the log says. */
  | { readonly kind: 'refused'; readonly held: number; readonly reason: string };

export interface TakeDataDeps {
  readonly store: MirrorData & Pick<MirrorEntries, 'load' | 'bundle'>;
  /** The stored rows of a log: where the last block ended. */
  readonly rows: (log: number) => Pick<LogRows, 'blocks'>;
  /** True when the blob is there already with this size. */
  readonly hasBlob: (digest: Buffer, size: number) => Promise<boolean>;
  /** Throws `storage-full` when no more may be taken for a log that has so many bytes. */
  readonly checkRoom: (bytes: number) => void;
}

/** Takes a stream that begins at `from`. Rejects with the errors of the store and of the stream. */
export async function takeData(
  deps: TakeDataDeps,
  origin: string,
  keys: readonly VerifierKey[],
  from: number,
  body: AsyncIterable<Uint8Array>,
): Promise<DataOutcome> {
  const state = await deps.store.load(origin);
  if (state.held !== from) return { kind: 'elsewhere', held: state.held };
  const [last] = state.nextBlock === 0 ? [] : await deps.rows(state.log).blocks(state.nextBlock - 1, 1);
  return new DataIntake(deps, origin, keys, state, last?.size ?? 0).run(new ByteReader(body));
}

interface OpenDocument {
  readonly leaf: number;
  readonly bytes: Buffer;
  readonly hash: Buffer;
  readonly entries: readonly PayloadEntry[];
  readonly payloads: MirrorPayload[];
}

/** Something in the stream is not what it must be; its message holds no content. */
class Refusal extends Error {}

class DataIntake {
  readonly #deps: TakeDataDeps;
  readonly #origin: string;
  readonly #keys: readonly VerifierKey[];
  readonly #log: number;
  /** Cursors up to which everything is stored, or on its way. */
  #stored: Pick<MirrorState, 'held' | 'compact' | 'nextBlock' | 'prev'>;
  #total: number;
  #next: number;
  #open: OpenDocument | undefined;
  #range: CompactRange;
  /** Leaves that `#range` covers; those of `#hashes` follow. */
  #rangeSize: number;
  #hashes: Buffer[] = [];
  #nextBlock: number;
  /** Where the next block begins. */
  #blockStart: number;
  #prev: Buffer;
  #bundle: { readonly index: number; readonly digests: Buffer } | undefined;
  #documents: { leaf: number; bytes: Buffer }[] = [];
  #payloads: MirrorPayload[] = [];
  #missingBlobs: MirrorPayload[] = [];
  #blocks: Block[] = [];
  #bytes = 0;
  /** The batch on its way: false when another upload was faster. */
  #storing: Promise<boolean> = Promise.resolve(true);

  constructor(
    deps: TakeDataDeps,
    origin: string,
    keys: readonly VerifierKey[],
    state: MirrorState,
    blockStart: number,
  ) {
    this.#deps = deps;
    this.#origin = origin;
    this.#keys = keys;
    this.#log = state.log;
    this.#stored = state;
    this.#total = state.bytes;
    this.#next = state.held;
    this.#range = decodeCompactRange(state.held, state.compact);
    this.#rangeSize = state.held;
    this.#nextBlock = state.nextBlock;
    this.#blockStart = blockStart;
    this.#prev = state.prev;
  }

  async run(reader: ByteReader): Promise<DataOutcome> {
    try {
      for (;;) {
        const frame = heldFrame(reader) ?? (await readFrame(reader));
        if (frame === 'malformed') throw new Refusal('a frame is malformed');
        if (frame === 'end' || frame === 'cut') break;
        const waiting = this.#take(frame);
        if (waiting !== undefined) await waiting;
        if (this.#documents.length >= BATCH_DOCUMENTS || this.#bytes >= BATCH_BYTES) {
          if (!(await this.#flush())) return this.#elsewhere();
        }
      }
      this.#close(await this.#missing());
      return (await this.#settle()) ? { kind: 'stored', held: this.#stored.held } : await this.#elsewhere();
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) {
        // The sender may be gone in the middle of a stream: what came whole is kept, and it goes on from there.
        await this.#settle().catch(() => false);
        throw thrown;
      }
      if (!(await this.#settle())) return this.#elsewhere();
      return { kind: 'refused', held: this.#stored.held, reason: thrown.message };
    }
  }

  async #elsewhere(): Promise<DataOutcome> {
    return { kind: 'elsewhere', held: (await this.#deps.store.load(this.#origin)).held };
  }

  /** Undefined when the frame is taken already: nearly all need nothing of a store, and would wait for nothing. */
  #take(frame: Frame): Promise<void> | undefined {
    if (frame.kind === 'payload') this.#payload(frame.packed);
    else if (this.#namesBlobs() || (frame.kind === 'document' && this.#digestAt(frame.leaf) === undefined)) {
      return this.#takeWithStore(frame);
    } else this.#takeNext(frame, []);
    return undefined;
  }

  async #takeWithStore(frame: Exclude<Frame, { kind: 'payload' }>): Promise<void> {
    const missing = await this.#missing();
    if (frame.kind === 'document' && this.#digestAt(frame.leaf) === undefined) {
      const index = Math.floor(frame.leaf / TILE_WIDTH);
      this.#bundle = { index, digests: await this.#deps.store.bundle(this.#log, index) };
    }
    this.#takeNext(frame, missing);
  }

  #takeNext(frame: Exclude<Frame, { kind: 'payload' }>, missing: readonly MirrorPayload[]): void {
    this.#close(missing);
    if (frame.kind === 'document') this.#document(frame.leaf, frame.bytes);
    else this.#block(frame.block);
  }

  #document(leaf: number, bytes: Buffer): void {
    if (leaf !== this.#next) throw new Refusal('a document is not the next one');
    const digest = hash('sha256', bytes, 'buffer');
    const entry = this.#digestAt(leaf);
    if (entry === undefined) throw new Refusal('the entry of a document is not here yet');
    if (!equalBytes(digest, entry)) throw new Refusal('a document is not the one in the log');
    this.#open = { leaf, bytes, hash: leafHash(leafEntry(digest)), entries: payloadsOf(bytes), payloads: [] };
    this.#skipBlobs();
  }

  #payload(packed: Buffer): void {
    const open = this.#open;
    const entry = open?.entries[open.payloads.length];
    if (open === undefined || entry === undefined || entry.blob === true)
      throw new Refusal('a payload is not named by its document');
    const compact = compactText(packed);
    const digest = hash('sha256', compact, 'buffer');
    if (compact.length !== entry.size || digest.toString('base64url') !== entry.digest) {
      throw new Refusal('a payload is not the one that its document names');
    }
    open.payloads.push({
      group: groupNumber(open.leaf as LeafIndex, open.payloads.length),
      digest,
      size: entry.size,
      packed,
    });
    this.#skipBlobs();
  }

  /** Blobs travel by themselves: only their rows are made here. */
  #skipBlobs(): void {
    const open = this.#open;
    if (open === undefined) return;
    for (;;) {
      const entry = open.entries[open.payloads.length];
      if (entry?.blob !== true) return;
      const digest = Buffer.from(entry.digest, 'base64url');
      if (digest.length !== HASH_BYTES) throw new Refusal('a document names a blob without a digest');
      open.payloads.push({
        group: groupNumber(open.leaf as LeafIndex, open.payloads.length),
        digest,
        size: entry.size,
        packed: undefined,
      });
    }
  }

  /**
   * The document in hand is complete when the next one or a block begins, or the stream ends. `missing`: which blobs of it are
   * not here, asked before anything of the document counts: where the blob store fails, what was complete before is kept.
   */
  #close(missing: readonly MirrorPayload[]): void {
    const open = this.#open;
    if (open === undefined || open.payloads.length < open.entries.length) return this.#incomplete();
    this.#open = undefined;
    this.#next = open.leaf + 1;
    this.#hashes.push(open.hash);
    this.#documents.push({ leaf: open.leaf, bytes: open.bytes });
    this.#bytes += open.bytes.length;
    for (const payload of open.payloads) {
      this.#payloads.push(payload);
      this.#bytes += payload.packed?.length ?? 0;
    }
    this.#missingBlobs.push(...missing);
  }

  #namesBlobs(): boolean {
    return this.#open?.payloads.some(({ packed }) => packed === undefined) === true;
  }

  /** Blobs of the document in hand that are not here. */
  async #missing(): Promise<MirrorPayload[]> {
    const missing: MirrorPayload[] = [];
    for (const payload of this.#open?.payloads ?? []) {
      if (payload.packed === undefined && !(await this.#deps.hasBlob(payload.digest, payload.size)))
        missing.push(payload);
    }
    return missing;
  }

  #incomplete(): void {
    // A stream that ends in a document: it comes again. A next document over an incomplete one does not fit and is refused.
    this.#open = undefined;
  }

  #block(block: Block): void {
    this.#grow();
    const root = foldRange(this.#range);
    if (block.number !== this.#nextBlock || block.size !== this.#next || !equalBytes(block.prev, this.#prev)) {
      throw new Refusal('a block does not continue the chain');
    }
    // Nobody signs where a block begins.
    if (block.firstLeaf !== this.#blockStart || block.size <= block.firstLeaf)
      throw new Refusal('a block does not begin where the one before it ended');
    if (!equalBytes(block.root, root) || !isSigned(block, this.#origin, this.#keys)) {
      throw new Refusal('a block is not signed for this tree');
    }
    this.#blocks.push(block);
    this.#nextBlock = block.number + 1;
    this.#blockStart = block.size;
    this.#prev = blockLink(block.checkpoint);
  }

  #grow(): void {
    if (this.#hashes.length === 0) return;
    const grown = appendLeaves(this.#rangeSize, this.#range, this.#hashes);
    this.#range = grown.range;
    this.#rangeSize = grown.size;
    this.#hashes = [];
  }

  /** The digest in the entry of a leaf, from the bundle in hand; undefined where that one does not have it. */
  #digestAt(leaf: number): Buffer | undefined {
    const at = (leaf % TILE_WIDTH) * HASH_BYTES;
    if (this.#bundle?.index !== Math.floor(leaf / TILE_WIDTH) || this.#bundle.digests.length <= at) return undefined;
    return this.#bundle.digests.subarray(at, at + HASH_BYTES);
  }

  /** Stores what is complete, and waits for it; false when another upload was faster. */
  async #settle(): Promise<boolean> {
    return (await this.#flush()) && (await this.#storing);
  }

  /** Begins to store what is complete, once the batch before it is stored: the next one is proven meanwhile. */
  async #flush(): Promise<boolean> {
    if (!(await this.#storing)) return false;
    if (this.#documents.length === 0 && this.#blocks.length === 0) return true;
    this.#deps.checkRoom(this.#total + this.#bytes);
    this.#grow();
    const to = {
      held: this.#rangeSize,
      compact: encodeCompactRange(this.#range),
      nextBlock: this.#nextBlock,
      prev: this.#prev,
    };
    const batch: MirrorBatch = {
      from: this.#stored,
      to,
      documents: this.#documents,
      payloads: this.#payloads,
      missing: this.#missingBlobs,
      blocks: this.#blocks,
      bytes: this.#bytes,
    };
    this.#storing = this.#deps.store.append(this.#log, batch);
    // Heard of at the next batch, or at the end.
    this.#storing.catch(() => {});
    this.#stored = to;
    this.#total += this.#bytes;
    this.#documents = [];
    this.#payloads = [];
    this.#missingBlobs = [];
    this.#blocks = [];
    this.#bytes = 0;
    return true;
  }
}

function payloadsOf(document: Buffer): readonly PayloadEntry[] {
  try {
    return parseDocument(document).payloads;
  } catch {
    throw new Refusal('a document is not in a form that is known here');
  }
}

function compactText(packed: Buffer): string {
  try {
    return compactOf(packed);
  } catch (thrown) {
    if (thrown instanceof GatewayError) throw new Refusal('a payload is not a sealed group');
    throw thrown;
  }
}

function isSigned(block: Block, origin: string, keys: readonly VerifierKey[]): boolean {
  const parsed = parseCheckpoint(block.checkpoint);
  return parsed !== undefined && parsed.checkpoint.origin === origin && verifyNote(parsed.note, keys) !== undefined;
}
