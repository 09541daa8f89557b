/** A ledger in memory, made by the product's own signer, sealer and appender; tests then damage its rows. */
import { createSecretKey, hash, randomBytes } from 'node:crypto';
import { groupNumber, type GroupNumber, type LeafIndex } from '../../../src/core/ids.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { Block } from '../../../src/ledger/block.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { EMPTY_ROOT } from '../../../src/ledger/merkle.ts';
import type { LedgerKeys } from '../../../src/ledger/verify.ts';
import { documentSigner, type PayloadEntry } from '../../../src/record/document.ts';
import { sealGroup } from '../../../src/record/sealed-group.ts';
import type { DocumentEntry, HeadRow, LedgerSource } from '../../../src/services/verify-ledger.ts';
import { logAppender } from '../../../src/write/append.ts';
import type { LogHead } from '../../../src/write/ports.ts';
import { ed25519, noteSigner, ORIGIN } from '../ledger/support.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export interface MemoryPayload {
  group: GroupNumber;
  digest: Buffer;
  size: number;
  packed: Buffer | undefined;
}

export interface MemoryLedger {
  head: Mutable<HeadRow> | undefined;
  blocks: Mutable<Block>[];
  documents: Mutable<DocumentEntry>[];
  payloads: MemoryPayload[];
  tiles: { level: number; index: number; hashes: Buffer }[];
  blobs: Map<string, Buffer>;
  keys: LedgerKeys;
  blobIntact: (digest: Buffer, size: number) => Promise<boolean>;
  /** Signs a document with the ledger's own key: what only a thief of the key could do. */
  sign: (payloads: readonly PayloadEntry[]) => Buffer;
}

function paged<T>(rows: readonly T[], key: (row: T) => number): (from: number, limit: number) => Promise<T[]> {
  const sorted = rows.toSorted((a, b) => key(a) - key(b));
  return async (from, limit) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (key(sorted[middle]) < from) low = middle + 1;
      else high = middle;
    }
    return sorted.slice(low, low + limit);
  };
}

/** The rows as they are now. */
export function sourceOf(ledger: MemoryLedger): LedgerSource {
  const tiles = new Map(
    [0, 1, 2, 3, 4, 5, 6, 7].map((level) => {
      return [
        level,
        paged(
          ledger.tiles.filter((tile) => tile.level === level),
          (tile) => tile.index,
        ),
      ];
    }),
  );
  return {
    head: async () => ledger.head,
    blocks: paged(ledger.blocks, (block) => block.number),
    documents: paged(ledger.documents, (document) => document.leaf),
    payloads: paged(ledger.payloads, (payload) => payload.group),
    tiles: async (level, from, limit) => (await tiles.get(level)?.(from, limit)) ?? [],
  };
}

/** Every third document names two sealed groups, every seventh a blob too (up to leaf 1,000). `groups`: documents of each block. */
export async function memoryLedger(groups: readonly number[]): Promise<MemoryLedger> {
  const signKey = ed25519();
  const logKey = noteSigner(ORIGIN);
  const signer = documentSigner(signKey);
  const appender = logAppender((size, root) => signCheckpoint(ORIGIN, size, root, logKey));
  const kek = createSecretKey(randomBytes(32));
  const ledger: MemoryLedger = {
    head: undefined,
    blocks: [],
    documents: [],
    payloads: [],
    tiles: [],
    blobs: new Map(),
    keys: { origin: ORIGIN, log: logKey.rawPublicKey, sign: signKey.rawPublicKey },
    blobIntact: async (digest, size) => {
      const bytes = ledger.blobs.get(digest.toString('hex'));
      return bytes?.length === size && hash('sha256', bytes, 'buffer').equals(digest);
    },
    sign: (payloads) =>
      signer({ v: 1, typ: 'manifest', payloads, sealed: `x${randomBytes(9).toString('base64url')}` }).bytes,
  };
  let head: LogHead = { size: 0, root: EMPTY_ROOT, compact: Buffer.alloc(0), block: -1, checkpoint: '' };
  for (const count of groups) {
    const first = head.size;
    for (let leaf = first; leaf < first + count; leaf += 1) {
      const entries: PayloadEntry[] = [];
      const add = (digest: Buffer, packed: Buffer | undefined, size: number): void => {
        const group = groupNumber(leaf as LeafIndex, entries.length);
        ledger.payloads.push({ group, digest, size, packed });
        entries.push({ digest: digest.toString('base64url'), size, ...(packed === undefined ? { blob: true } : {}) });
      };
      for (let i = 0; i < (leaf % 3 === 0 && leaf < 1000 ? 2 : 0); i += 1) {
        const plaintext = Buffer.from(`{"resourceType":"Basic","id":"${leaf}-${i}"}\n`);
        const kid = randomBytes(32).toString('base64url');
        const sealed = sealGroup(kek, kid, 'application/fhir+ndjson', plaintext, systemRandom);
        add(sealed.digest, sealed.packed, sealed.size);
      }
      if (leaf % 7 === 0 && leaf < 1000) {
        const blob = randomBytes(100);
        const digest = hash('sha256', blob, 'buffer');
        ledger.blobs.set(digest.toString('hex'), blob);
        add(digest, undefined, blob.length);
      }
      const bytes = ledger.sign(entries);
      ledger.documents.push({ leaf, digest: hash('sha256', bytes, 'buffer'), bytes });
    }
    const log = {
      digests: async (from: number, to: number) => ledger.documents.slice(from, to).map(({ digest }) => digest),
      tile: async (level: number, index: number) =>
        ledger.tiles.find((tile) => tile.level === level && tile.index === index)?.hashes,
    };
    const added = (await appender.append(head, log, await log.digests(first, first + count))).sign();
    head = added.head;
    ledger.tiles.push(...added.tiles);
    const { size, root, checkpoint, block: number } = added.head;
    ledger.blocks.push({ number, firstLeaf: first, size, root, checkpoint, prev: added.prev });
  }
  ledger.head = { origin: ORIGIN, ...head };
  return ledger;
}
