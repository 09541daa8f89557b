/**
 * The fast pass of `anamnesis verify --hashes`: digests of all documents, the tree at every block, stored tiles, block chain,
 * checkpoints and head. Tree and chain by @noble/hashes, apart from the code that writes; document digests by node:crypto. Leaves out: signatures of documents, payloads, blobs. Says that something is wrong and about
 * where; the whole verification says exactly what.
 */
import type { Block } from '../ledger/block.ts';
import { IndependentRange } from '../ledger/independent-range.ts';
import { nodeEd25519 } from '../ledger/signature-check.ts';
import { checkBlock, type Fault, type FaultKind, type LedgerKeys } from '../ledger/verify.ts';
import type { DocumentBatch, HashedDocuments } from './hash-documents.ts';
import { RowCursor } from './row-cursor.ts';
import type { HeadRow, LedgerSource } from './verify-source.ts';

/** A snapshot as `LedgerSource`, with documents in bulk. */
export interface HashSource extends Pick<LedgerSource, 'head' | 'blocks' | 'tiles'> {
  documentBatch(from: number, to: number): Promise<DocumentBatch>;
}

export interface VerifyHashesDeps {
  readonly source: HashSource;
  /** `hashDocuments`, here or in a thread of its own, which takes the batch away. */
  readonly hash: (batch: DocumentBatch) => Promise<HashedDocuments>;
  readonly keys: LedgerKeys;
  readonly report: (fault: Fault) => void;
  readonly progress?: (progress: { readonly leaves: number; readonly size: number }) => void;
}

export interface HashesSummary {
  readonly size: number;
  readonly documents: number;
  readonly blocks: number;
  readonly tiles: number;
  readonly faults: number;
}

/** Documents read at once: as many as take about so many bytes, by the average of those before. */
const BATCH = { bytes: 2 * 1024 * 1024, first: 256, most: 2048 };
/** Batches asked for before they are needed. */
const AHEAD = 3;
/** Leaves put into the tree in one go; in between the next batch is read from the socket. */
const SLICE = 512;
const BLOCKS_PAGE = 1024;
const TILE_WIDTH = 256;
const TILES_PAGE = 64;

/** Verifies hashes only, and stops at the first block whose leaves do not give its root. Rejects only when the source does. */
export async function verifyHashes(deps: VerifyHashesDeps): Promise<HashesSummary> {
  const { source, keys } = deps;
  const check = nodeEd25519();
  const head = await source.head();
  const size = head?.size ?? 0;
  const count = { documents: 0, blocks: 0, tiles: 0, faults: 0 };
  const fault = (kind: FaultKind, where: Omit<Fault, 'kind'> = {}): void => {
    count.faults += 1;
    deps.report({ kind, ...where });
  };
  const tiles = new TileStream(source, fault);
  const range = new IndependentRange((level, index, bytes, at) => tiles.push(level, index, bytes, at));
  const leaves = leafHashes(deps, size, fault);
  const blocks = new RowCursor(
    (from) => source.blocks(from, BLOCKS_PAGE),
    (block: Block) => block.number,
  );
  let previous: Block | undefined;
  let batch = new Uint8Array(0);
  let at = 0;
  let broken = false;
  for (;;) {
    const block = await blocks.takeBelow(Infinity);
    if (block === undefined) break;
    count.blocks += 1;
    const { faults } = checkBlock(previous, block, keys, check);
    for (const kind of faults) fault(kind, { block: block.number });
    previous = block;
    while (range.size < block.size) {
      if (at === batch.length) {
        const next = await leaves.next();
        if (next.done === true) break;
        batch = next.value;
        at = 0;
        await tiles.settle();
      }
      range.push(batch, at);
      at += 32;
      count.documents += 1;
    }
    if (range.size === block.size && block.root.equals(range.root())) continue;
    if (range.size < block.size) fault('document-missing', { leaf: range.size });
    else fault('root-mismatch', { block: block.number });
    broken = true;
    break;
  }
  await tiles.end(range.size);
  // Beyond a broken block nothing was looked at, the head neither.
  if (!broken) checkHead(head, previous, range, fault);
  return { size, ...count, tiles: tiles.checked };
}

/** Leaf hashes of the documents, slice by slice; the next batches are read and hashed meanwhile. Ends at a gap. */
async function* leafHashes(
  { source, hash, progress }: VerifyHashesDeps,
  size: number,
  fault: (kind: FaultKind, where: Omit<Fault, 'kind'>) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const ahead: {
    readonly from: number;
    readonly count: number;
    readonly batch: Promise<HashedDocuments | undefined>;
  }[] = [];
  let asked = 0;
  let gapped = false;
  let most = BATCH.first;
  const read = async (from: number, to: number): Promise<HashedDocuments | undefined> => {
    const batch = await source.documentBatch(from, to);
    const count = to - from;
    if (batch.digests.length !== count * 32 || batch.lengths.length !== count * 4) {
      return count === 1 ? undefined : upToGap(from, to);
    }
    most = Math.max(1, Math.min(BATCH.most, Math.floor(BATCH.bytes / (batch.bodies.length / count + 1))));
    return hash(batch);
  };
  /** What stands before the first missing document of a range that has one. */
  const upToGap = async (from: number, to: number): Promise<HashedDocuments | undefined> => {
    let [whole, gap] = [from, to];
    while (gap - whole > 1) {
      const middle = Math.floor((whole + gap) / 2);
      const { digests } = await source.documentBatch(from, middle);
      if (digests.length === (middle - from) * 32) whole = middle;
      else gap = middle;
    }
    return whole === from ? undefined : read(from, whole);
  };
  const ask = (): void => {
    while (asked < size && ahead.length < AHEAD) {
      const from = asked;
      asked = Math.min(from + most, size);
      const batch = read(from, asked);
      // One that fails while another is being looked at is reported when its turn comes.
      batch.catch(() => {});
      ahead.push({ from, count: asked - from, batch });
    }
  };
  for (;;) {
    ask();
    const next = ahead.shift();
    const hashed = await next?.batch;
    if (next === undefined || hashed === undefined || gapped) return;
    ask();
    progress?.({ leaves: next.from, size });
    for (const i of hashed.wrong) fault('document-digest', { leaf: next.from + i });
    const { leaves } = hashed;
    gapped ||= leaves.length < next.count * 32;
    for (let at = 0; at < leaves.length; at += SLICE * 32) {
      yield leaves.subarray(at, at + SLICE * 32);
      // Lets the next batch come in.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Compares the tiles that the tree fills with the stored ones, a page of them at a time. */
class TileStream {
  checked = 0;
  readonly #source: HashSource;
  readonly #fault: (kind: FaultKind, where: Omit<Fault, 'kind'>) => void;
  readonly #filling: Buffer[] = [];
  readonly #full: { level: number; index: number; hashes: Buffer }[] = [];

  constructor(source: HashSource, fault: (kind: FaultKind, where: Omit<Fault, 'kind'>) => void) {
    this.#source = source;
    this.#fault = fault;
  }

  /** Takes the hash at `index` of a tile level (0: leaves, 1: every 256 leaves ...), which stands at `from` of `bytes`. */
  push(level: number, index: number, bytes: Uint8Array, from: number): void {
    const tile = (this.#filling[level] ??= Buffer.alloc(TILE_WIDTH * 32));
    const at = index % TILE_WIDTH;
    for (let i = 0; i < 32; i += 1) tile[at * 32 + i] = bytes[from + i];
    if (at < TILE_WIDTH - 1) return;
    this.#full.push({ level, index: Math.floor(index / TILE_WIDTH), hashes: Buffer.from(tile) });
  }

  /** Compares what has become full. */
  async settle(all = false): Promise<void> {
    if (!all && this.#full.length < TILES_PAGE) return;
    const full = this.#full.splice(0);
    for (const level of new Set(full.map((tile) => tile.level))) {
      const here = full.filter((tile) => tile.level === level);
      const stored = await this.#source.tiles(level, here[0].index, here.length);
      const byIndex = new Map(stored.map((tile) => [tile.index, tile.hashes]));
      for (const { index, hashes } of here) {
        this.checked += 1;
        const found = byIndex.get(index);
        const tile = `${level}/${index}`;
        if (found === undefined) this.#fault('tile-missing', { tile });
        else if (!found.equals(hashes)) this.#fault('tile-mismatch', { tile });
      }
    }
  }

  /** After the last leaf: nothing may be stored beyond what is full. */
  async end(size: number): Promise<void> {
    await this.settle(true);
    for (let level = 0; level === 0 || TILE_WIDTH ** level <= size; level += 1) {
      const [extra] = await this.#source.tiles(level, Math.floor(size / TILE_WIDTH ** (level + 1)), 1);
      if (extra !== undefined) this.#fault('tile-unexpected', { tile: `${level}/${extra.index}` });
    }
  }
}

function checkHead(
  head: HeadRow | undefined,
  last: Block | undefined,
  range: IndependentRange,
  fault: (kind: FaultKind, where?: Omit<Fault, 'kind'>) => void,
): void {
  if (head === undefined || last === undefined) {
    if (last !== undefined) fault('head-missing');
    else if (head !== undefined && head.size > 0) fault('block-missing', { block: 0 });
    return;
  }
  if (head.size !== last.size) fault('head-mismatch', { field: 'size' });
  if (head.block !== last.number) fault('head-mismatch', { field: 'block' });
  if (head.checkpoint !== last.checkpoint) fault('head-mismatch', { field: 'checkpoint' });
  if (!head.root.equals(last.root)) fault('head-mismatch', { field: 'root' });
  if (!head.compact.equals(range.compact())) fault('head-mismatch', { field: 'compact' });
}
