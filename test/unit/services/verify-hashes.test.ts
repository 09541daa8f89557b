import { expect, it } from 'vitest';
import { IndependentRange } from '../../../src/ledger/independent-range.ts';
import { IndependentTree } from '../../../src/ledger/independent-tree.ts';
import { hashDocuments } from '../../../src/services/hash-documents.ts';
import { verifyHashes, type HashSource } from '../../../src/services/verify-hashes.ts';
import { digestsOf } from '../ledger/support.ts';
import { memoryLedger, sourceOf, type MemoryLedger } from './memory-ledger.ts';

const GROUPS = [1, 1, 254, 300, 1000, 700];

function hashSource(ledger: MemoryLedger): HashSource {
  return {
    ...sourceOf(ledger),
    async documentBatch(from, to) {
      const found = ledger.documents.filter(({ leaf }) => leaf >= from && leaf < to);
      const lengths = Buffer.alloc(found.length * 4);
      found.forEach(({ bytes }, i) => lengths.writeUInt32BE(bytes.length, i * 4));
      const digests = Buffer.concat(found.map(({ digest }) => digest));
      return { digests, lengths, bodies: Buffer.concat(found.map(({ bytes }) => bytes)) };
    },
  };
}

async function verified(ledger: MemoryLedger): Promise<{ faults: string[]; documents: number; tiles: number }> {
  const faults: string[] = [];
  const { documents, tiles } = await verifyHashes({
    source: hashSource(ledger),
    hash: async (batch) => hashDocuments(batch),
    keys: ledger.keys,
    report: ({ kind, block, leaf, tile, field }) => void faults.push([kind, block, leaf, tile, field].join(' ').trim()),
  });
  return { faults, documents, tiles };
}

it('finds nothing wrong in a sound ledger', async () => {
  const ledger = await memoryLedger(GROUPS);
  const size = GROUPS.reduce((a, b) => a + b);
  expect(await verified(ledger)).toEqual({ faults: [], documents: size, tiles: Math.floor(size / 256) });
  expect((await verified(await memoryLedger([]))).faults).toEqual([]);
});

const damages: [string, (ledger: MemoryLedger) => void, RegExp][] = [
  ['a document', (l) => (l.documents[700] = { ...l.documents[700], bytes: Buffer.from('x') }), /^document-digest +700/],
  [
    'a document with its digest',
    (l) => (l.documents[700] = { ...l.documents[700], digest: l.documents[1].digest, bytes: l.documents[1].bytes }),
    /^root-mismatch 4/,
  ],
  ['a missing document', (l) => void l.documents.splice(40, 1), /^document-missing +40/],
  ['a tile', (l) => (l.tiles[1] = { ...l.tiles[1], hashes: Buffer.alloc(8192) }), /^tile-mismatch +0\/1/],
  ['a missing tile', (l) => void l.tiles.splice(2, 1), /^tile-missing +0\/2/],
  ['a tile too many', (l) => void l.tiles.push({ ...l.tiles[0], index: 99 }), /^tile-unexpected +0\/99/],
  ['a link', (l) => (l.blocks[3] = { ...l.blocks[3], prev: Buffer.alloc(32) }), /^block-prev 3/],
  ['a missing block', (l) => void l.blocks.splice(2, 1), /^block-missing 3/],
  ['the last block', (l) => void l.blocks.pop(), /^head-mismatch +size/],
  [
    'a checkpoint',
    (l) => (l.blocks[1] = { ...l.blocks[1], checkpoint: l.blocks[1].checkpoint.replace('\n2\n', '\n3\n') }),
    /^checkpoint-mismatch 1/,
  ],
  ['the head', (l) => l.head && (l.head = { ...l.head, compact: Buffer.alloc(32) }), /^head-mismatch +compact/],
];
it.each(damages)('finds damage of %s', async (_, damage, expected) => {
  const ledger = await memoryLedger(GROUPS);
  damage(ledger);
  const { faults } = await verified(ledger);
  expect(
    faults.find((fault) => expected.test(fault)),
    faults.join(', '),
  ).toBeDefined();
});

it('the growing tree is the tree of the recursive definition, with every hash of its tiles', () => {
  const tree = new IndependentTree();
  const seen: string[] = [];
  const range = new IndependentRange((level, index) => void seen.push(`${level}/${index}`));
  for (const leaf of digestsOf(520)) {
    tree.push(leaf);
    range.push(leaf);
    expect(Buffer.from(range.root()).equals(tree.root())).toBe(true);
  }
  expect(Buffer.from(range.compact()).equals(tree.compact())).toBe(true);
  expect(seen.filter((place) => place.startsWith('1/'))).toEqual(['1/0', '1/1']);
  expect(seen.filter((place) => place.startsWith('0/'))).toHaveLength(520);
});
