/**
 * `anamnesis rebuild`: fills an empty database from documents, payloads and the key file (DESIGN section 2, "the database
 * is a cache"). It replays every block through the same commit as the normal path, with the checkpoint that the block
 * had: tree, aliases, records, blind index, keys and messages are derived again. A root that comes out differently ends it.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';
import { verifyDocument } from '../record/document.ts';
import { logAppender, type Appender } from '../write/append.ts';
import type { CommitItem, CommitStore } from '../write/ports.ts';
import { ItemReader, type RebuiltKeys } from './rebuild-item.ts';
import type { DocumentEntry, LedgerSource, PayloadRow } from './verify-ledger.ts';

export interface RebuildDeps {
  readonly source: LedgerSource;
  /**
   * A migrated database: empty, or one into which a rebuild of the same ledger was interrupted. What it has is read again for
   * its keys and counters, and not written again.
   */
  readonly target: CommitStore;
  readonly keys: RebuiltKeys;
  readonly origin: string;
  readonly master: KeyObject;
  /** Public key of the gateway's `sign` role. */
  readonly signPublicKey: KeyObject;
  readonly progress: (done: { readonly leaf: number; readonly size: number }) => void;
}

export interface RebuildSummary {
  readonly documents: number;
  readonly blocks: number;
  readonly records: number;
}

/** Documents and payloads read at a time. */
const PAGE = 512;

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
    return block.checkpoint;
  });
  const documents = pages(
    (from) => deps.source.documents(from, PAGE),
    (row) => row.leaf,
  );
  const payloads = pages(
    (from) => deps.source.payloads(from, PAGE),
    (row) => row.group,
  );
  const reader = new ItemReader(deps.origin, deps.master, deps.keys);
  let records = 0;
  let blocks = 0;
  const written = (await deps.target.head()).block;
  for await (const next of pages(
    (from) => deps.source.blocks(from, PAGE),
    (row) => row.number,
  )) {
    block = next;
    const items: CommitItem[] = [];
    while (reader.leaf < next.size) items.push(await readItem(deps, reader, documents, payloads));
    if (next.number > written) await replay(deps.target, appender, items, next);
    for (const item of items) records += item.records.length;
    reader.committed();
    blocks += 1;
    deps.progress({ leaf: next.size, size: head.size });
  }
  await reader.finish();
  return { documents: reader.leaf, blocks, records };
}

/** One item: documents up to and with the manifest or access batch that ends it (the genesis secret stands alone). */
async function readItem(
  deps: RebuildDeps,
  reader: ItemReader,
  documents: AsyncIterator<DocumentEntry>,
  payloads: AsyncIterator<PayloadRow>,
): Promise<CommitItem> {
  for (;;) {
    const { value: document, done } = await documents.next();
    if (done === true || document.leaf !== reader.leaf) {
      throw new GatewayError('integrity', `document ${reader.leaf} is missing; run \`anamnesis verify\``);
    }
    if (!verifyDocument(document.bytes, deps.signPublicKey)) {
      throw new GatewayError(
        'integrity',
        `the signature of document ${document.leaf} is wrong; run \`anamnesis verify\``,
      );
    }
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

async function* pages<Row>(
  fetch: (from: number) => Promise<readonly Row[]>,
  key: (row: Row) => number,
): AsyncGenerator<Row, void> {
  for (let from = 0; ;) {
    const page = await fetch(from);
    const last = page.at(-1);
    if (last === undefined) return;
    yield* page;
    from = key(last) + 1;
  }
}
