/**
 * `anamnesis rebuild`: fills an empty database from documents, payloads and the key file (DESIGN section 2, "the database
 * is a cache"). It replays every block through the same commit as the normal path, with the checkpoint that the block
 * had: tree, aliases, records, blind index, keys and messages are derived again. A root that comes out differently ends it.
 * Where it is stands in the database that it fills: interrupted, it goes on from there.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { PAYLOADS_PER_MANIFEST, type LeafIndex } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';
import { decodeRewrap } from '../keys/grant.ts';
import { nextSignKey, parseDocument, verifyDocument, verifyDocumentAside } from '../record/document.ts';
import { packCompact } from '../record/sealed-group.ts';
import { tryUnwrap } from '../record/unwrap.ts';
import { logAppender, type Appender } from '../write/append.ts';
import type { CommitItem, CommitStore } from '../write/ports.ts';
import { ItemReader, type DerivationStore, type DerivedTo, type RebuiltKeys, type Renewal } from './rebuild-item.ts';
import type { DocumentEntry, LedgerSource, PayloadRow } from './verify-ledger.ts';

export interface RebuildDeps {
  readonly source: LedgerSource;
  /**
   * A migrated database: empty, or one into which a rebuild of the same ledger was interrupted.
   */
  readonly target: CommitStore;
  readonly keys: RebuiltKeys;
  /** Of the same database. Holds the end of the ledger on return: `end` it when the source is not needed any more. */
  readonly derivation: DerivationStore;
  /** The origin to which the documents are bound: under which they began. */
  readonly origin: string;
  /** Signs the heads of a log that follows this one under another origin; absent: every block keeps its checkpoint. */
  readonly sign?: (size: number, root: Buffer) => string;
  readonly master: KeyObject;
  /** Earlier masters that are not destroyed yet. */
  readonly retired?: readonly KeyObject[];
  /** True when a master was replaced before: what it sealed opens through the documents that renewed it. */
  readonly renewed?: boolean;
  /** Public key of the gateway's `sign` role with which its log began. */
  readonly signPublicKey: KeyObject;
  /** All keys that the role had: of the one at work where an interrupted rebuild goes on. */
  readonly signKeys?: readonly KeyObject[];
  /** Leaves that an interruption may cost at most, besides the last block. */
  readonly saveEvery?: number;
  readonly progress: (done: { readonly leaf: number; readonly size: number }) => void;
}

export interface RebuildSummary {
  readonly documents: number;
  readonly blocks: number;
  readonly records: number;
}

/** Documents and payloads read at a time. */
const PAGE = 512;
/** Leaves between two cursors, where nothing else is said. */
const SAVE_EVERY = 4096;

/** Durable on return. Throws `integrity` with leaf or block when the ledger is not what its checkpoints say. */
export async function rebuild(deps: RebuildDeps): Promise<RebuildSummary> {
  const head = await deps.source.head();
  if (head === undefined || head.size === 0) throw new GatewayError('not-found', 'the source database holds no ledger');
  let block: Block | undefined;
  const appender = logAppender((size, root) => {
    if (block === undefined || block.size !== size || !block.root.equals(root)) {
      throw new GatewayError(
        'integrity',
        `block ${block?.number} has another root than its documents give; run \`anamnesis verify\``,
      );
    }
    return deps.sign?.(size, root) ?? block.checkpoint;
  });
  const begun = await deps.derivation.load();
  const from: DerivedTo = begun ?? { block: 0, leaf: 0, records: 0 };
  const written = await deps.target.head();
  if (from.leaf > Math.min(written.size, head.size))
    throw new GatewayError(
      'integrity',
      'the database to fill does not have what its cursor says: begin with an empty one',
    );
  const signer = { key: begun === undefined ? deps.signPublicKey : await signKeyAt(deps, from.leaf) };
  const documents = pages(
    (leaf) => signedPage(deps.source, leaf, signer.key),
    (row) => row.leaf,
    from.leaf,
  );
  const payloads = pages(
    (group) => deps.source.payloads(group, PAGE),
    (row) => row.group,
    from.leaf * PAYLOADS_PER_MANIFEST,
  );
  const masters = [deps.master, ...(deps.retired ?? [])];
  const renewal = deps.renewed === true ? await findRenewals(deps.source, masters) : undefined;
  const nextTag = async (leaf: LeafIndex): Promise<number | undefined> =>
    begun === undefined ? undefined : deps.derivation.nextTag(leaf);
  const reader = new ItemReader(deps.origin, masters, deps.keys, nextTag, renewal);
  if (begun !== undefined) await reader.resume(from.leaf);
  let { records } = from;
  let blocks = from.block;
  let saved = from.leaf;
  const { saveEvery = SAVE_EVERY } = deps;
  // One block is written while the next one is read and opened.
  let writing: Promise<void> = Promise.resolve();
  const settle = async (): Promise<void> => {
    await writing;
    reader.committed(block?.size ?? 0);
  };
  const save = async (): Promise<void> => {
    await settle();
    saved = reader.leaf;
    await deps.derivation.save({ block: blocks, leaf: reader.leaf, records }, reader.takeCounters());
  };
  if (begun === undefined) await save();
  try {
    for await (const next of pages(
      (number) => deps.source.blocks(number, PAGE),
      (row) => row.number,
      from.block,
    )) {
      const items: CommitItem[] = [];
      while (reader.leaf < next.size) items.push(await readItem(deps.origin, signer, reader, documents, payloads));
      await settle();
      block = next;
      if (next.number > written.block) {
        writing = replay(deps.target, appender, items, next);
        // Heard of at the next block, or at the end.
        writing.catch(() => {});
      }
      for (const item of items) records += item.records.length;
      blocks += 1;
      if (reader.leaf - saved >= saveEvery) await save();
      deps.progress({ leaf: next.size, size: head.size });
    }
    await save();
  } finally {
    await writing.catch(() => {});
  }
  return { documents: reader.leaf, blocks, records };
}

/** The key that signed the document at a leaf, of those that the role had: the ones before it were looked at already. */
async function signKeyAt(deps: RebuildDeps, leaf: number): Promise<KeyObject> {
  const [document] = await deps.source.documents(leaf, 1);
  const keys = [deps.signPublicKey, ...(deps.signKeys ?? [])];
  if (document === undefined) return deps.signPublicKey;
  const key = keys.find((known) => verifyDocument(document.bytes, known));
  if (key === undefined)
    throw new GatewayError('integrity', `the signature of document ${leaf} is wrong; run \`anamnesis verify\``);
  return key;
}

/** A document whose signature is being looked at, by a key that may turn out not to be the one of its place. */
interface SignedEntry extends DocumentEntry {
  readonly key: KeyObject;
  readonly valid: Promise<boolean>;
}

async function signedPage(source: LedgerSource, from: number, key: KeyObject): Promise<readonly SignedEntry[]> {
  const page = await source.documents(from, PAGE);
  return page.map((entry) => {
    const valid = verifyDocumentAside(entry.bytes, key);
    valid.catch(() => {});
    return { ...entry, key, valid };
  });
}

/** One item: documents up to and with the manifest or access batch that ends it (the genesis secret stands alone). */
async function readItem(
  origin: string,
  signer: { key: KeyObject },
  reader: ItemReader,
  documents: AsyncIterator<SignedEntry>,
  payloads: AsyncIterator<PayloadRow>,
): Promise<CommitItem> {
  for (;;) {
    const { value: document, done } = await documents.next();
    if (done === true || document.leaf !== reader.leaf) {
      throw new GatewayError('integrity', `document ${reader.leaf} is missing; run \`anamnesis verify\``);
    }
    const valid = document.key === signer.key ? await document.valid : verifyDocument(document.bytes, signer.key);
    if (!valid) {
      throw new GatewayError(
        'integrity',
        `the signature of document ${document.leaf} is wrong; run \`anamnesis verify\``,
      );
    }
    signer.key = nextSignKey(document.bytes, origin, signer.key);
    const item = await reader.read(document.leaf as LeafIndex, document.digest, document.bytes, async () => {
      const { value: payload, done: none } = await payloads.next();
      if (none === true)
        throw new GatewayError(
          'integrity',
          `a payload of document ${document.leaf} is missing; run \`anamnesis verify\``,
        );
      return payload;
    });
    if (item !== undefined) return item;
  }
}

/**
 * Where the renewed grants and secrets stand: one pass over the documents, and two numbers for each. Later documents take
 * the place of earlier ones.
 */
async function findRenewals(source: LedgerSource, masters: readonly KeyObject[]): Promise<Renewal> {
  const newest = new Map<LeafIndex, number>();
  const documents = pages(
    (from) => source.documents(from, PAGE),
    (row) => row.leaf,
  );
  for await (const { leaf, bytes } of documents) {
    const body = parseDocument(bytes);
    if (body.typ !== 'rewrap') continue;
    const plaintext = tryUnwrap(masters, packCompact(body.sealed));
    if (plaintext !== undefined) newest.set(decodeRewrap(plaintext).of, leaf);
  }
  return async (leaf) => {
    const at = newest.get(leaf);
    if (at === undefined) return undefined;
    const [document] = await source.documents(at, 1);
    return document === undefined ? undefined : packCompact(parseDocument(document.bytes).sealed);
  };
}

async function replay(
  target: CommitStore,
  appender: Appender,
  items: readonly CommitItem[],
  block: Block,
): Promise<void> {
  const digests = items.flatMap((item) => item.documents.map((document) => document.digest));
  const outcome = await target.commit(items, (head, log) => {
    if (head.block + 1 !== block.number)
      throw new GatewayError('integrity', 'the database to fill is not empty, or another process writes to it');
    return appender.append(head, log, digests);
  });
  if (outcome.kind !== 'committed')
    throw new GatewayError('integrity', `block ${block.number} repeats something that an earlier block holds`);
}

/** Rows in order; the next page is read while one is looked at. */
async function* pages<Row>(
  fetch: (from: number) => Promise<readonly Row[]>,
  key: (row: Row) => number,
  from = 0,
): AsyncGenerator<Row, void> {
  const ask = (next: number): Promise<readonly Row[]> => {
    const page = fetch(next);
    // Taken later: until then nobody hears of its failure.
    page.catch(() => {});
    return page;
  };
  for (let ahead = ask(from); ;) {
    const page = await ahead;
    const last = page.at(-1);
    if (last === undefined) return;
    ahead = ask(key(last) + 1);
    yield* page;
  }
}
