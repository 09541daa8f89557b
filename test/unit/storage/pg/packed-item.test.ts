import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { LeafIndex } from '../../../../src/core/ids.ts';
import { formatUuid } from '../../../../src/core/random.ts';
import { claimsOf, columnsOf, documentsOf, itemPacker, placeItems } from '../../../../src/storage/pg/packed-item.ts';
import { emptyItem, type CommitItem } from '../../../../src/write/ports.ts';

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();
const uuid = (): never => formatUuid(randomBytes(16)) as never;

function itemOf(documents: number, over: Partial<CommitItem> = {}): CommitItem {
  const bodies = Array.from({ length: documents }, (_, i) => Buffer.from(`document ${i}`));
  return {
    ...emptyItem(),
    documents: bodies.map((body) => ({ digest: digestOf(String(body)), body })),
    manifest: documents - 1,
    ...over,
  };
}

/** Rows of a finished COPY as columns in hexadecimal; null as undefined. */
function rowsOf(finished: Buffer): (string | undefined)[][] {
  const rows: (string | undefined)[][] = [];
  let at = 19;
  for (;;) {
    const columns = finished.readInt16BE(at);
    at += 2;
    if (columns < 0) return rows;
    rows.push(
      Array.from({ length: columns }, () => {
        const length = finished.readInt32BE(at);
        at += 4 + Math.max(0, length);
        return length < 0 ? undefined : finished.toString('hex', at - length, at);
      }),
    );
  }
}

const int8 = (value: number): string => BigInt(value).toString(16).padStart(16, '0');

describe('packed items', () => {
  it('get their places when they are committed, wherever in the log that is', () => {
    const pack = itemPacker();
    const digest = digestOf('payload');
    const two = itemOf(2, {
      payloads: [
        { lockbox: { document: 0 }, digest, size: 7, body: Buffer.from('sealed') },
        { lockbox: 12 as LeafIndex, digest, size: 7, body: undefined },
        { lockbox: undefined, digest, size: 7, body: undefined },
      ],
      tokens: [{ token: -5n, sortTime: -86_400_000, payload: 1, low: -1, high: 1 }],
    });
    const items = [itemOf(3), two, itemOf(1)].map(pack);
    expect(items.map(documentsOf)).toEqual([3, 2, 1]);
    for (const firstLeaf of [0, 70_000, 2 ** 33 + 5]) {
      const parts = placeItems(items, firstLeaf);
      const table = (name: string): (string | undefined)[][] =>
        rowsOf(parts.find(({ target }) => target.startsWith(`${name} `))?.rows.finish() ?? Buffer.alloc(0));
      expect(table('document').map(([leaf]) => leaf)).toEqual(Array.from({ length: 6 }, (_, i) => int8(firstLeaf + i)));
      const manifest = firstLeaf + 4;
      expect(table('payload').map(([group, lockbox]) => [group, lockbox])).toEqual([
        [int8(manifest * 4096), int8(firstLeaf + 3)],
        [int8(manifest * 4096 + 1), int8(12)],
        [int8(manifest * 4096 + 2), undefined],
      ]);
      const [[token, sortTime, group, mask]] = table('token');
      expect([token, sortTime, group, mask]).toEqual([
        'fffffffffffffffb',
        BigInt.asUintN(64, -86_400_000n).toString(16),
        int8(manifest * 4096 + 1),
        '00000001ffffffff',
      ]);
    }
  });

  it('are the same rows as items that were never packed, in one group with them', () => {
    const pack = itemPacker();
    const digest = digestOf('payload');
    const items = [1, 3, 2].map((documents) =>
      itemOf(documents, {
        payloads: [{ lockbox: { document: 0 }, digest, size: 7, body: Buffer.from('sealed') }],
        lockboxes: [{ document: 0, slot: uuid(), wrap: Buffer.from('wrap'), nextTag: 16 }],
        records: [{ resource: uuid(), version: 1, payload: 0, line: 0, source: 1, sourceTime: 2 }],
        tokens: [{ token: 9n, sortTime: 1, payload: 0, low: 1, high: 0 }],
        message: { control: uuid(), digest: uuid(), thread: uuid() },
      }),
    );
    const finished = (group: Parameters<typeof placeItems>[0]): Buffer[] =>
      placeItems(group, 1_000).map(({ rows }) => rows.finish());
    expect(finished(items)).toEqual(finished(items.map(pack)));
    expect(finished([items[0], pack(items[1]), items[2]])).toEqual(finished(items));
    for (const item of items) expect([...pack(item).claims]).toEqual(claimsOf(item));
  });

  it('survive being cloned into another thread', () => {
    const packed = itemPacker()(itemOf(2, { message: { control: uuid(), digest: uuid(), thread: undefined } }));
    const cloned = structuredClone(packed);
    expect(Buffer.from(cloned.digests)).toEqual(Buffer.from(packed.digests));
    expect(placeItems([cloned], 9).map(({ rows }) => rows.finish())).toEqual(
      placeItems([packed], 9).map(({ rows }) => rows.finish()),
    );
  });

  it('claim each unique key, and the same key alike', () => {
    const pack = itemPacker();
    const resource = uuid();
    const record = (version: number): CommitItem =>
      itemOf(1, { records: [{ resource, version, payload: 0, line: 0, source: 1, sourceTime: 2 }] });
    const [first, again, next] = [record(1), record(1), record(2)].map((item) => [...pack(item).claims]);
    expect(first).toEqual(again);
    expect(first).not.toEqual(next);
  });

  it('give their keys back for the search after losers', () => {
    const hash = randomBytes(32);
    const resource = uuid();
    const packed = itemPacker()(itemOf(1, { aliases: [{ hash: hash.toString('base64url') as never, resource }] }));
    expect(columnsOf(packed, 'alias').map(([key, owner]) => [key, formatUuid(owner)])).toEqual([[hash, resource]]);
    expect(columnsOf(packed, 'message')).toEqual([]);
  });
});
