import fc from 'fast-check';
import { expect, it } from 'vitest';
import { IndependentTree, independentLeafHash, recursiveRoot } from '../../../src/ledger/independent-tree.ts';
import { EMPTY_ROOT } from '../../../src/ledger/merkle.ts';
import { logAppender, type Appender } from '../../../src/write/append.ts';
import type { GroupAppend, LogHead, LogReader } from '../../../src/write/ports.ts';
import { digestsOf } from '../ledger/support.ts';

class MemoryRows {
  head: LogHead = { size: 0, root: EMPTY_ROOT, compact: Buffer.alloc(0), block: -1, checkpoint: '' };
  readonly digests: Buffer[] = [];
  readonly tiles = new Map<string, Buffer>();
  readonly reader: LogReader = {
    digests: async (from, to) => this.digests.slice(from, to),
    tile: async (level, index) => this.tiles.get(`${level}/${index}`),
  };

  async append(appender: Appender, count: number): Promise<GroupAppend> {
    const digests = digestsOf(count, this.head.size);
    const added = (await appender.append(this.head, this.reader, digests)).sign();
    this.digests.push(...digests);
    for (const { level, index, hashes } of added.tiles) {
      expect(this.tiles.has(`${level}/${index}`)).toBe(false);
      this.tiles.set(`${level}/${index}`, hashes);
    }
    this.head = added.head;
    return added;
  }
}

const sign = (size: number, root: Buffer): string => `${size} ${root.toString('hex')}`;

function check(rows: MemoryRows): void {
  const tree = new IndependentTree();
  for (const digest of rows.digests) tree.push(independentLeafHash(digest));
  expect(rows.head.root.equals(tree.root())).toBe(true);
  expect(rows.head.compact.equals(tree.compact())).toBe(true);
  let level = 0;
  let hashes: Buffer[] = rows.digests.map((digest) => Buffer.from(independentLeafHash(digest)));
  let expected = 0;
  for (; hashes.length >= 256; level += 1) {
    const above: Buffer[] = [];
    for (let index = 0; (index + 1) * 256 <= hashes.length; index += 1) {
      const tile = hashes.slice(index * 256, (index + 1) * 256);
      expect(rows.tiles.get(`${level}/${index}`)?.equals(Buffer.concat(tile))).toBe(true);
      above.push(Buffer.from(recursiveRoot(tile)));
      expected += 1;
    }
    hashes = above;
  }
  expect(rows.tiles.size).toBe(expected);
}

it('groups of any size give the tree and the tiles of their leaves, by one process or by several', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ count: fc.integer({ min: 1, max: 700 }), process: fc.nat(1) }), { maxLength: 8 }),
      async (groups) => {
        const rows = new MemoryRows();
        const processes = [logAppender(sign), logAppender(sign)];
        for (const { count, process } of groups) await rows.append(processes[process], count);
        check(rows);
      },
    ),
    { numRuns: 40 },
  );
});

it('fills tiles of the third level', async () => {
  const rows = new MemoryRows();
  const appender = logAppender(sign);
  for (const count of [65_000, 536, 1, 300]) await rows.append(appender, count);
  check(rows);
  expect(rows.tiles.has('1/0')).toBe(true);
});

it('signs nothing before it is told to, and a group that was not taken leaves no trace', async () => {
  const signed: number[] = [];
  const appender = logAppender((size, root) => {
    signed.push(size);
    return sign(size, root);
  });
  const rows = new MemoryRows();
  await rows.append(appender, 300);
  await appender.append(rows.head, rows.reader, digestsOf(10, 5000));
  expect(signed).toEqual([300]);
  await rows.append(appender, 400);
  expect(signed).toEqual([300, 700]);
  check(rows);
});
