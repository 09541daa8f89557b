/**
 * `anamnesis verify`: walks through the whole ledger once, in the order of its leaves and in bounded memory, and derives
 * everything again with the independent implementation: document digests, signatures, the tree at every block, tiles,
 * block chain, checkpoints, head row, payloads and blobs. Reports what is wrong and where; changes nothing.
 */
import { leafOfGroup, ordinalOfGroup, PAYLOADS_PER_MANIFEST } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';
import { IndependentTree, independentLeafHash, independentSha256 } from '../ledger/independent-tree.ts';
import { nobleEd25519, nodeEd25519, type Ed25519Check } from '../ledger/signature-check.ts';
import {
  checkBlock,
  checkDocument,
  type Fault,
  type FaultKind,
  type LedgerKeys,
  type NamedPayload,
} from '../ledger/verify.ts';
import { compactOf } from '../record/sealed-group.ts';
import { RowCursor } from './row-cursor.ts';
import type { DocumentEntry, HeadRow, LedgerSource, PayloadRow } from './verify-source.ts';
import { TileChecker } from './verify-tiles.ts';

export type { DocumentEntry, HeadRow, LedgerSource, PayloadRow, TileRow } from './verify-source.ts';

export interface VerifyProgress {
  /** Leaves verified. */
  readonly leaves: number;
  /** Leaves in all, by the head row. */
  readonly size: number;
}

export interface VerifyDeps {
  readonly source: LedgerSource;
  /** True when the blob is there, as long as `size` says, and its SHA-256 (32 bytes) is `digest`. */
  readonly blobIntact: (digest: Buffer, size: number) => Promise<boolean>;
  readonly keys: LedgerKeys;
  /** True: every signature is checked by @noble/curves instead of node:crypto, 15 times slower. The last checkpoint always is. */
  readonly independentSignatures?: boolean;
  /** Called for every finding, in the order of the ledger. */
  readonly report: (fault: Fault) => void;
  /** Called every 256 leaves. */
  readonly progress?: (progress: VerifyProgress) => void;
}

/** What was looked at, and how many findings were reported. */
export interface VerifySummary {
  readonly size: number;
  readonly documents: number;
  readonly blocks: number;
  readonly payloads: number;
  readonly blobs: number;
  readonly tiles: number;
  readonly faults: number;
}

/** Rows of one page. Documents have some hundred kilobytes at most, sealed groups 250,000 bytes. */
const PAGE = { blocks: 256, documents: 256, payloads: 128 } as const;

/** Missing documents in a row up to which the walk goes on leaf by leaf; beyond, a size is taken for a forgery. */
const MAX_GAP = 1_000_000;

/** Verifies the whole ledger. Rejects only when the source does. */
export async function verifyLedger(deps: VerifyDeps): Promise<VerifySummary> {
  return new LedgerWalk(deps).run();
}

/** A leaf: its hash derived from the document, and what was stored for it where that is something else. */
interface WalkedLeaf {
  readonly derived: Uint8Array | undefined;
  readonly stored: Uint8Array | undefined;
  /** True when a fault was reported that says that the document is not the stored one. */
  readonly reported: boolean;
}

class LedgerWalk {
  private readonly deps: VerifyDeps;
  private readonly check: Ed25519Check;
  private readonly blocks: RowCursor<Block>;
  private readonly documents: RowCursor<DocumentEntry>;
  private readonly payloads: RowCursor<PayloadRow>;
  private readonly tiles: TileChecker;
  private readonly count = { documents: 0, blocks: 0, payloads: 0, blobs: 0, faults: 0 };
  private tree = new IndependentTree();
  private rootsDiffer = false;
  private size = 0;
  private sign: Uint8Array;

  constructor(deps: VerifyDeps) {
    const { source } = deps;
    this.deps = deps;
    this.sign = deps.keys.sign;
    this.check = deps.independentSignatures === true ? nobleEd25519 : nodeEd25519();
    this.blocks = new RowCursor(
      (from) => source.blocks(from, PAGE.blocks),
      (block) => block.number,
    );
    this.documents = new RowCursor(
      (from) => source.documents(from, PAGE.documents),
      (document) => document.leaf,
    );
    this.payloads = new RowCursor(
      (from) => source.payloads(from, PAGE.payloads),
      (payload) => payload.group,
    );
    this.tiles = new TileChecker(source, (kind, where) => this.fault(kind, where));
  }

  private fault(kind: FaultKind, where: Omit<Fault, 'kind'> = {}): void {
    this.count.faults += 1;
    this.deps.report({ kind, ...where });
  }

  async run(): Promise<VerifySummary> {
    const head = await this.deps.source.head();
    this.size = head?.size ?? 0;
    let previous: Block | undefined;
    for (;;) {
      const block = await this.blocks.takeBelow(Infinity);
      if (block === undefined) break;
      await this.block(previous, block);
      previous = block;
    }
    const anchored = new IndependentTree(this.tree);
    await this.beyondLastBlock();
    await this.tiles.end();
    this.head(head, previous, anchored);
    const { signNow } = this.deps.keys;
    if (signNow !== undefined && this.count.documents > 0 && !same(signNow, this.sign)) this.fault('sign-key');
    return { size: this.size, ...this.count, tiles: this.tiles.checked };
  }

  private async block(previous: Block | undefined, block: Block): Promise<void> {
    this.count.blocks += 1;
    const { faults, head } = checkBlock(previous, block, this.deps.keys, this.check);
    const expected = (previous?.number ?? -1) + 1;
    for (const kind of faults) this.fault(kind, { block: kind === 'block-missing' ? expected : block.number });
    // Where nothing credible says how far the block reaches, its leaves are looked at with the next block.
    if (head === undefined) return;
    const before = new IndependentTree(this.tree);
    const leaves: WalkedLeaf[] = [];
    while (before.size + leaves.length < head.size) {
      const leaf = before.size + leaves.length;
      const next = await this.documents.peek();
      if (next === undefined || next.leaf - leaf > MAX_GAP) {
        this.fault('document-missing', { leaf });
        break;
      }
      leaves.push(await this.leaf(leaf));
    }
    this.root(block.number, head, before, leaves);
  }

  /**
   * Compares the root. Where a document of the block is not the stored one, what was stored for its leaf is tried too: if
   * that gives the root, the document was changed, which is reported if it was not yet, and the walk goes on with the
   * tree that was anchored. A run of blocks with wrong roots is reported once.
   */
  private root(
    number: number,
    head: { size: number; root: Buffer },
    before: IndependentTree,
    leaves: readonly WalkedLeaf[],
  ): void {
    for (const { derived, stored } of leaves) this.tree.push(derived ?? stored ?? new Uint8Array(32));
    let matches = this.tree.size === head.size && head.root.equals(this.tree.root());
    if (!matches && leaves.some(({ stored }) => stored !== undefined)) {
      for (const { derived, stored } of leaves) before.push(stored ?? derived ?? new Uint8Array(32));
      matches = before.size === head.size && head.root.equals(before.root());
      if (matches) {
        this.tree = before;
        for (const [at, { stored, reported }] of leaves.entries()) {
          if (stored !== undefined && !reported) this.fault('leaf-mismatch', { leaf: head.size - leaves.length + at });
        }
      }
    }
    if (!matches && !this.rootsDiffer) this.fault('root-mismatch', { block: number });
    this.rootsDiffer = !matches;
  }

  /** One leaf: its document, its payloads, its place in the tiles. */
  private async leaf(leaf: number): Promise<WalkedLeaf> {
    if (leaf % PAGE.documents === 0) this.deps.progress?.({ leaves: leaf, size: this.size });
    const claimed = await this.tiles.claimed(leaf);
    const document = await this.documents.takeBelow(leaf + 1);
    if (document === undefined) {
      this.fault('document-missing', { leaf });
      // Nothing says any more what payloads it should have.
      const bound = (leaf + 1) * PAYLOADS_PER_MANIFEST;
      while ((await this.payloads.takeBelow(bound)) !== undefined) this.count.payloads += 1;
      await this.tiles.push(claimed ?? new Uint8Array(32), undefined);
      return { derived: undefined, stored: claimed, reported: true };
    }
    this.count.documents += 1;
    const digest = independentSha256(document.bytes);
    const derived = independentLeafHash(digest);
    const column = document.digest.length === 32 ? independentLeafHash(document.digest) : undefined;
    const reported = !document.digest.equals(digest);
    if (reported) this.fault('document-digest', { leaf });
    const outcome = checkDocument(document.bytes, { ...this.deps.keys, sign: this.sign }, this.check);
    if ('nextSign' in outcome && outcome.nextSign !== undefined) this.sign = outcome.nextSign;
    if (outcome.fault !== undefined) this.fault(outcome.fault, { leaf });
    await this.payloadsOf(leaf, 'payloads' in outcome ? outcome.payloads : []);
    const stored = [claimed, column].find((hash) => hash !== undefined && !same(hash, derived));
    await this.tiles.push(derived, column);
    return { derived, stored, reported };
  }

  private async payloadsOf(leaf: number, named: readonly NamedPayload[]): Promise<void> {
    let ordinal = 0;
    for (;;) {
      const row = await this.payloads.takeBelow((leaf + 1) * PAYLOADS_PER_MANIFEST);
      const place =
        row === undefined ? undefined : { leaf: leafOfGroup(row.group), ordinal: ordinalOfGroup(row.group) };
      const bound = place?.leaf === leaf ? Math.min(place.ordinal, named.length) : row === undefined ? named.length : 0;
      for (; ordinal < bound; ordinal += 1) this.fault('payload-missing', { leaf, ordinal });
      if (row === undefined || place === undefined) return;
      this.count.payloads += 1;
      if (place.leaf !== leaf || place.ordinal >= named.length) this.fault('payload-unexpected', place);
      else {
        await this.payload(place, named[place.ordinal], row);
        ordinal = place.ordinal + 1;
      }
    }
  }

  private async payload(place: { leaf: number; ordinal: number }, named: NamedPayload, row: PayloadRow): Promise<void> {
    if (!row.digest.equals(named.digest)) this.fault('payload-row', { ...place, field: 'digest' });
    if (row.size !== named.size) this.fault('payload-row', { ...place, field: 'size' });
    if ((row.packed === undefined) !== named.blob) this.fault('payload-row', { ...place, field: 'kind' });
    if (named.blob) {
      this.count.blobs += 1;
      if (!(await this.deps.blobIntact(named.digest, named.size))) this.fault('blob-damaged', place);
      return;
    }
    const compact = row.packed === undefined ? undefined : compactBytes(row.packed);
    if (compact?.length !== named.size || !named.digest.equals(independentSha256(compact))) {
      this.fault('payload-digest', place);
    }
  }

  /** What stands beyond the last block is looked at too, and reported. */
  private async beyondLastBlock(): Promise<void> {
    for (;;) {
      const document = await this.documents.peek();
      if (document === undefined) break;
      this.fault('document-unexpected', { leaf: document.leaf });
      await this.leaf(document.leaf);
    }
    for (;;) {
      const row = await this.payloads.takeBelow(Infinity);
      if (row === undefined) break;
      this.count.payloads += 1;
      this.fault('payload-unexpected', { leaf: leafOfGroup(row.group), ordinal: ordinalOfGroup(row.group) });
    }
  }

  private head(head: HeadRow | undefined, last: Block | undefined, tree: IndependentTree): void {
    // One signature by the other implementation costs nothing and shows that both agree on this log.
    const twice = last === undefined ? [] : checkBlock(undefined, last, this.deps.keys, nobleEd25519).faults;
    if (last !== undefined && this.check !== nobleEd25519 && twice.includes('checkpoint-signature')) {
      const known = checkBlock(undefined, last, this.deps.keys, this.check).faults.includes('checkpoint-signature');
      if (!known) this.fault('checkpoint-signature', { block: last.number, field: 'independent' });
    }
    if (head === undefined) {
      if (last !== undefined || this.count.documents > 0) this.fault('head-missing');
      return;
    }
    const expected = {
      origin: head.origin === this.deps.keys.origin,
      size: head.size === (last?.size ?? 0),
      root: head.root.equals(last?.root ?? tree.root()),
      compact: head.compact.equals(tree.compact()),
      block: last === undefined || head.block === last.number,
      checkpoint: last === undefined || head.checkpoint === last.checkpoint,
    };
    for (const [field, right] of Object.entries(expected)) if (!right) this.fault('head-mismatch', { field });
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The compact JWE whose digest the manifest names; undefined when the bytes are no packed sealed group. */
function compactBytes(packed: Buffer): Buffer | undefined {
  try {
    return Buffer.from(compactOf(packed), 'ascii');
  } catch {
    return undefined;
  }
}
