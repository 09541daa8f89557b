/** One test for each kind of damage that `anamnesis verify` tells apart: what was damaged, what it reports and where. */
import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { groupNumber, type LeafIndex } from '../../../src/core/ids.ts';
import { signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import { FAULTS, type Fault } from '../../../src/ledger/verify.ts';
import { verifyLedger, type VerifySummary } from '../../../src/services/verify-ledger.ts';
import { noteSigner, ORIGIN } from '../ledger/support.ts';
import { memoryLedger, sourceOf, type MemoryLedger } from './memory-ledger.ts';

const GROUPS = [1, 4, 250, 1, 60, 5];
const SIZE = 321;
const seen = new Set<string>();

async function verify(
  ledger: MemoryLedger,
  independentSignatures = false,
): Promise<{ faults: Fault[]; summary: VerifySummary }> {
  const faults: Fault[] = [];
  const { blobIntact, keys } = ledger;
  const source = sourceOf(ledger);
  const report = (fault: Fault): void => {
    faults.push(fault);
    seen.add(fault.kind);
  };
  const summary = await verifyLedger({ source, blobIntact, keys, report, independentSignatures });
  expect(summary.faults).toBe(faults.length);
  return { faults, summary };
}

function flip(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1;
  return copy;
}

const group = (leaf: number, ordinal: number): number => groupNumber(leaf as LeafIndex, ordinal);

/** The payload row at a place. */
function payload(ledger: MemoryLedger, leaf: number, ordinal: number): MemoryLedger['payloads'][number] {
  const row = ledger.payloads.find((candidate) => candidate.group === group(leaf, ordinal));
  if (row === undefined) throw new Error('no such payload');
  return row;
}

function head(ledger: MemoryLedger): NonNullable<MemoryLedger['head']> {
  if (ledger.head === undefined) throw new Error('no head');
  return ledger.head;
}

/** Changes the signed bytes of a document so that it stays well-formed. */
function forge(bytes: Buffer): Buffer {
  const [header, body, signature] = bytes.toString().split('.');
  const changed = Buffer.from(body, 'base64url').toString().replace('"sealed":"x', '"sealed":"y');
  return Buffer.from([header, Buffer.from(changed).toString('base64url'), signature].join('.'));
}

describe('a whole ledger', () => {
  it('has no faults, by either signature library', async () => {
    const ledger = await memoryLedger(GROUPS);
    const { faults, summary } = await verify(ledger);
    expect(faults).toEqual([]);
    expect(summary).toEqual({ size: SIZE, documents: SIZE, blocks: 6, payloads: 260, blobs: 46, tiles: 1, faults: 0 });
    expect((await verify(await memoryLedger([3, 2]), true)).faults).toEqual([]);
  });

  it('may be empty', async () => {
    const ledger = await memoryLedger([]);
    expect((await verify(ledger)).faults).toEqual([]);
    ledger.head = undefined;
    expect((await verify(ledger)).faults).toEqual([]);
  });

  it('is walked over two levels of tiles: one wrong tile and one wrong document are all that is wrong', async () => {
    const ledger = await memoryLedger([1000, 64_536, 300]);
    const top = ledger.tiles.find(({ level }) => level === 1);
    if (top === undefined) throw new Error('no tile of level 1');
    top.hashes = flip(top.hashes, 5);
    ledger.documents[700].bytes = forge(ledger.documents[700].bytes);
    const { faults, summary } = await verify(ledger);
    expect(faults).toEqual([
      { kind: 'document-digest', leaf: 700 },
      { kind: 'document-signature', leaf: 700 },
      { kind: 'tile-mismatch', tile: '1/0' },
    ]);
    expect(summary.tiles).toBe(258);
  });
});

const DAMAGE: [name: string, damage: (ledger: MemoryLedger) => void, faults: Fault[]][] = [
  [
    'a document is changed',
    (l) => (l.documents[30].bytes = forge(l.documents[30].bytes)),
    [
      { kind: 'document-digest', leaf: 30 },
      { kind: 'document-signature', leaf: 30 },
    ],
  ],
  [
    'a document and its digest are changed',
    (l) => {
      l.documents[31].bytes = forge(l.documents[31].bytes);
      l.documents[31].digest = hash('sha256', l.documents[31].bytes, 'buffer');
    },
    [
      { kind: 'document-signature', leaf: 31 },
      { kind: 'leaf-mismatch', leaf: 31 },
      { kind: 'tile-mismatch', tile: '0/0', leaf: 31 },
    ],
  ],
  [
    'a document, its digest and its tile are changed',
    (l) => {
      l.documents[31].bytes = forge(l.documents[31].bytes);
      l.documents[31].digest = hash('sha256', l.documents[31].bytes, 'buffer');
      l.tiles[0].hashes = Buffer.concat([
        l.tiles[0].hashes.subarray(0, 31 * 32),
        hash('sha256', Buffer.concat([Buffer.from([0, 1]), l.documents[31].digest]), 'buffer'),
        l.tiles[0].hashes.subarray(32 * 32),
      ]);
    },
    [
      { kind: 'document-signature', leaf: 31 },
      { kind: 'root-mismatch', block: 2 },
      { kind: 'head-mismatch', field: 'compact' },
    ],
  ],
  [
    'a document is replaced by another that is signed',
    (l) => {
      l.documents[301].bytes = l.sign([]);
      l.documents[301].digest = hash('sha256', l.documents[301].bytes, 'buffer');
    },
    [
      { kind: 'payload-unexpected', leaf: 301, ordinal: 0 },
      { kind: 'root-mismatch', block: 4 },
      { kind: 'head-mismatch', field: 'compact' },
    ],
  ],
  [
    'two documents change places',
    (l) => {
      const [a, b] = [l.documents[307], l.documents[310]];
      [a.bytes, b.bytes, a.digest, b.digest] = [b.bytes, a.bytes, b.digest, a.digest];
    },
    [
      { kind: 'root-mismatch', block: 4 },
      { kind: 'head-mismatch', field: 'compact' },
    ],
  ],
  [
    'two documents change places and a tile that is not full yet hides it',
    (l) => {
      const hashes = Array.from({ length: 256 }, (_, at) => l.documents[256 + at]?.digest ?? Buffer.alloc(32));
      const leaves = hashes.map((digest) => hash('sha256', Buffer.concat([Buffer.from([0, 1]), digest]), 'buffer'));
      l.tiles.push({ level: 0, index: 1, hashes: Buffer.concat(leaves) });
      const [a, b] = [l.documents[307], l.documents[310]];
      [a.bytes, b.bytes, a.digest, b.digest] = [b.bytes, a.bytes, b.digest, a.digest];
    },
    [
      { kind: 'leaf-mismatch', leaf: 307 },
      { kind: 'leaf-mismatch', leaf: 310 },
      { kind: 'tile-unexpected', tile: '0/1' },
    ],
  ],
  [
    'a stored document digest is changed',
    (l) => (l.documents[310].digest = flip(l.documents[310].digest, 3)),
    [{ kind: 'document-digest', leaf: 310 }],
  ],
  [
    'a document is no JWS',
    (l) => (l.documents[40].bytes = Buffer.from('{}')),
    [
      { kind: 'document-digest', leaf: 40 },
      { kind: 'document-malformed', leaf: 40 },
    ],
  ],
  ['a document is missing', (l) => l.documents.splice(33, 1), [{ kind: 'document-missing', leaf: 33 }]],
  [
    'a document beyond the last full tile is missing',
    (l) => l.documents.splice(310, 1),
    [
      { kind: 'document-missing', leaf: 310 },
      { kind: 'root-mismatch', block: 4 },
      { kind: 'head-mismatch', field: 'compact' },
    ],
  ],
  [
    'the last documents are missing',
    (l) => l.documents.splice(319),
    [
      { kind: 'document-missing', leaf: 319 },
      { kind: 'root-mismatch', block: 5 },
      { kind: 'head-mismatch', field: 'compact' },
    ],
  ],
  [
    'a document was added',
    (l) => {
      const bytes = l.sign([]);
      l.documents.push({ leaf: SIZE, digest: hash('sha256', bytes, 'buffer'), bytes });
    },
    [{ kind: 'document-unexpected', leaf: SIZE }],
  ],
  [
    'a payload is changed',
    (l) => {
      const row = payload(l, 33, 1);
      row.packed = flip(row.packed ?? Buffer.alloc(0), 120);
    },
    [{ kind: 'payload-digest', leaf: 33, ordinal: 1 }],
  ],
  [
    'a payload is no sealed group',
    (l) => (payload(l, 33, 0).packed = Buffer.from([99])),
    [{ kind: 'payload-digest', leaf: 33, ordinal: 0 }],
  ],
  [
    'a payload is missing',
    (l) => l.payloads.splice(l.payloads.indexOf(payload(l, 36, 0)), 1),
    [{ kind: 'payload-missing', leaf: 36, ordinal: 0 }],
  ],
  [
    'all payloads from some leaf on are missing',
    (l) => l.payloads.splice(l.payloads.indexOf(payload(l, 318, 0))),
    [
      { kind: 'payload-missing', leaf: 318, ordinal: 0 },
      { kind: 'payload-missing', leaf: 318, ordinal: 1 },
    ],
  ],
  [
    'two payloads change places',
    (l) => {
      const [a, b] = [payload(l, 33, 0), payload(l, 36, 1)];
      [a.packed, b.packed] = [b.packed, a.packed];
    },
    [
      { kind: 'payload-digest', leaf: 33, ordinal: 0 },
      { kind: 'payload-digest', leaf: 36, ordinal: 1 },
    ],
  ],
  [
    'columns beside a payload are changed',
    (l) => {
      payload(l, 33, 0).digest = Buffer.alloc(32);
      payload(l, 33, 1).size += 1;
      payload(l, 14, 0).packed = Buffer.from('a blob never stands here');
    },
    [
      { kind: 'payload-row', leaf: 14, ordinal: 0, field: 'kind' },
      { kind: 'payload-row', leaf: 33, ordinal: 0, field: 'digest' },
      { kind: 'payload-row', leaf: 33, ordinal: 1, field: 'size' },
    ],
  ],
  [
    'payloads were added',
    (l) => {
      for (const [leaf, ordinal] of [
        [33, 2],
        [34, 0],
        [999, 0],
      ]) {
        l.payloads.push({ ...payload(l, 33, 1), group: groupNumber(leaf as LeafIndex, ordinal) });
      }
    },
    [
      { kind: 'payload-unexpected', leaf: 33, ordinal: 2 },
      { kind: 'payload-unexpected', leaf: 34, ordinal: 0 },
      { kind: 'payload-unexpected', leaf: 999, ordinal: 0 },
    ],
  ],
  [
    'a blob is changed',
    (l) => {
      const { digest } = payload(l, 14, 0);
      l.blobs.set(digest.toString('hex'), Buffer.alloc(100));
    },
    [{ kind: 'blob-damaged', leaf: 14, ordinal: 0 }],
  ],
  [
    'a blob is missing',
    (l) => l.blobs.delete(payload(l, 21, 2).digest.toString('hex')),
    [{ kind: 'blob-damaged', leaf: 21, ordinal: 2 }],
  ],
  [
    'a stored tile is changed',
    (l) => (l.tiles[0].hashes = flip(l.tiles[0].hashes, 32 * 77 + 1)),
    [{ kind: 'tile-mismatch', tile: '0/0', leaf: 77 }],
  ],
  [
    'a stored tile is cut',
    (l) => (l.tiles[0].hashes = l.tiles[0].hashes.subarray(0, 64)),
    [{ kind: 'tile-mismatch', tile: '0/0' }],
  ],
  ['a stored tile is missing', (l) => l.tiles.splice(0, 1), [{ kind: 'tile-missing', tile: '0/0' }]],
  [
    'tiles were added',
    (l) => {
      l.tiles.push(
        { level: 0, index: 1, hashes: Buffer.alloc(8192) },
        { level: 1, index: 0, hashes: Buffer.alloc(8192) },
      );
    },
    [
      { kind: 'tile-unexpected', tile: '0/1' },
      { kind: 'tile-unexpected', tile: '1/0' },
    ],
  ],
  ['a block is missing', (l) => l.blocks.splice(2, 1), [{ kind: 'block-missing', block: 2 }]],
  [
    'the last block is missing',
    (l) => l.blocks.pop(),
    [
      ...[316, 317, 318, 319, 320].map((leaf): Fault => ({ kind: 'document-unexpected', leaf })),
      ...['size', 'root', 'compact', 'block', 'checkpoint'].map((field): Fault => ({ kind: 'head-mismatch', field })),
    ],
  ],
  [
    'the root of a block is changed',
    (l) => (l.blocks[3].root = flip(l.blocks[3].root, 0)),
    [{ kind: 'checkpoint-mismatch', block: 3 }],
  ],
  [
    'the size of a block is changed',
    (l) => (l.blocks[3].size += 1),
    [
      { kind: 'checkpoint-mismatch', block: 3 },
      { kind: 'block-first-leaf', block: 4 },
    ],
  ],
  [
    'a block is empty',
    (l) => (l.blocks[3].firstLeaf = l.blocks[3].size),
    [
      { kind: 'block-first-leaf', block: 3 },
      { kind: 'block-size', block: 3 },
    ],
  ],
  [
    'a link of the chain is changed',
    (l) => (l.blocks[4].prev = flip(l.blocks[4].prev, 9)),
    [{ kind: 'block-prev', block: 4 }],
  ],
  [
    'a checkpoint is signed by another key',
    (l) => {
      const { size, root } = l.blocks[5];
      l.blocks[5].checkpoint = signCheckpoint(ORIGIN, size, root, noteSigner(ORIGIN));
      head(l).checkpoint = l.blocks[5].checkpoint;
    },
    [{ kind: 'checkpoint-signature', block: 5 }],
  ],
  [
    'a checkpoint is of another origin',
    (l) => {
      l.blocks[0].checkpoint = l.blocks[0].checkpoint.replaceAll('stmary', 'stjoan');
    },
    [
      { kind: 'checkpoint-mismatch', block: 0 },
      { kind: 'checkpoint-signature', block: 0 },
      { kind: 'block-prev', block: 1 },
    ],
  ],
  [
    'a checkpoint cannot be read',
    (l) => (l.blocks[1].checkpoint = 'none'),
    [
      { kind: 'checkpoint-malformed', block: 1 },
      { kind: 'block-prev', block: 2 },
    ],
  ],
  ['the head row is missing', (l) => (l.head = undefined), [{ kind: 'head-missing' }]],
  [
    'every column of the head row is changed',
    (l) => {
      l.head = { origin: 'x', size: 1, root: Buffer.alloc(32), compact: Buffer.alloc(32), block: 1, checkpoint: '' };
    },
    ['origin', 'size', 'root', 'compact', 'block', 'checkpoint'].map((field): Fault => ({
      kind: 'head-mismatch',
      field,
    })),
  ],
];

describe('damage is reported with its place, and nothing else is', () => {
  it.each(DAMAGE)('%s', async (_, damage, expected) => {
    const ledger = await memoryLedger(GROUPS);
    damage(ledger);
    expect((await verify(ledger)).faults).toEqual(expected);
  });

  it('a forged size does not send the walk through leaves that never were', async () => {
    const ledger = await memoryLedger([3]);
    const { root } = ledger.blocks[0];
    const size = 2 ** 39;
    ledger.blocks[0].size = size;
    ledger.blocks[0].checkpoint = signCheckpoint(ORIGIN, size, root, noteSigner(ORIGIN));
    ledger.documents[2].leaf = size - 1;
    const kinds = (await verify(ledger)).faults.map(({ kind }) => kind);
    expect(kinds.slice(0, 3)).toEqual(['checkpoint-signature', 'document-missing', 'root-mismatch']);
  });

  it('a sign key in use that the ledger does not name', async () => {
    const ledger = await memoryLedger(GROUPS);
    ledger.keys = { ...ledger.keys, signNow: noteSigner(ORIGIN).rawPublicKey };
    expect((await verify(ledger)).faults).toEqual([{ kind: 'sign-key' }]);
    ledger.keys = { ...ledger.keys, signNow: ledger.keys.sign };
    expect((await verify(ledger)).faults).toEqual([]);
  });

  it('every kind of fault has its test', () => {
    expect([...seen].sort()).toEqual(Object.keys(FAULTS).sort());
  });
});
