import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupNumber, leafOfGroup, type LeafIndex } from '../../../src/core/ids.ts';
import { candidateStream, type ScanPlace } from '../../../src/services/candidate-stream.ts';
import { linesOf } from '../../../src/services/patient-consents.ts';
import type { Candidate, RecordStore, TokenScan } from '../../../src/services/record-store.ts';

/** Rows of one list: token, and what it points to. */
interface Row {
  readonly token: bigint;
  readonly sortTime: number;
  readonly leaf: number;
  readonly mask: bigint;
}

/** An index in memory with the port's contract. */
function storeOf(rows: readonly Row[]): RecordStore {
  const unused = (): never => {
    throw new Error('not asked for');
  };
  return {
    current: unused,
    places: unused,
    version: unused,
    withdrawn: unused,
    history: unused,
    charts: unused,
    size: unused,
    scan(scan: TokenScan) {
      const [tokens = []] = scan.lists;
      const joined = new Map<string, Candidate>();
      for (const row of rows) {
        const group = groupNumber(row.leaf as LeafIndex, 0);
        if (!tokens.includes(row.token) || row.leaf >= scan.size) continue;
        if (scan.from !== undefined && row.sortTime < scan.from) continue;
        if (scan.to !== undefined && row.sortTime > scan.to) continue;
        const { after } = scan;
        if (after !== undefined) {
          const later = row.sortTime < after.sortTime || (row.sortTime === after.sortTime && group < after.group);
          if (!later) continue;
        }
        const key = `${row.sortTime} ${group}`;
        const known = joined.get(key)?.mask ?? 0n;
        const lockbox = 0 as LeafIndex;
        joined.set(key, { sortTime: row.sortTime, group, mask: known | row.mask, lockbox, body: Buffer.alloc(0) });
      }
      const found = [...joined.values()].toSorted((a, b) => b.sortTime - a.sortTime || b.group - a.group);
      return Promise.resolve(found.slice(0, scan.limit));
    },
  };
}

const rowsOf = fc.array(
  fc.record({
    token: fc.bigInt({ min: 0n, max: 3n }),
    sortTime: fc.integer({ min: 0, max: 5 }),
    leaf: fc.integer({ min: 0, max: 6 }),
    mask: fc.bigInt({ min: 1n, max: 15n }),
  }),
  { maxLength: 40 },
);
const shapesOf = fc.array(fc.uniqueArray(fc.bigInt({ min: 0n, max: 3n }), { minLength: 1 }), {
  minLength: 1,
  maxLength: 4,
});

/** Every line once, in the order of the stream, page by page of `size` lines. */
async function linesByPage(store: RecordStore, lists: readonly (readonly bigint[])[], page: number): Promise<string[]> {
  const shapes = lists.map((list) => ({ lists: [list] }));
  const out: string[] = [];
  let place: ScanPlace | undefined;
  for (;;) {
    const stream = candidateStream(store, shapes, 5, place);
    const lines: { text: string; place: ScanPlace }[] = [];
    for (let rows = await stream.next(3); rows.length > 0; rows = await stream.next(3)) {
      for (const { sortTime, group, mask } of rows) {
        for (const line of linesOf(mask)) {
          lines.push({ text: `${sortTime} ${leafOfGroup(group)} ${line}`, place: { sortTime, group, line } });
        }
      }
    }
    out.push(...lines.slice(0, page).map(({ text }) => text));
    if (lines.length <= page) return out;
    place = lines[page - 1].place;
  }
}

describe('the candidates of several scans', () => {
  it('come in one order, each line once, and pages put together are the whole', async () => {
    await fc.assert(
      fc.asyncProperty(rowsOf, shapesOf, fc.integer({ min: 1, max: 7 }), async (rows, lists, page) => {
        const store = storeOf(rows);
        const wanted = new Set<string>();
        for (const { token, sortTime, leaf, mask } of rows) {
          if (leaf >= 5 || !lists.some((list) => list.includes(token))) continue;
          for (const line of linesOf(mask)) wanted.add(`${sortTime} ${leaf} ${line}`);
        }
        const order = (a: string, b: string): number => {
          const [ta = 0, la = 0, na = 0] = a.split(' ').map(Number);
          const [tb = 0, lb = 0, nb = 0] = b.split(' ').map(Number);
          return tb - ta || lb - la || na - nb;
        };
        expect(await linesByPage(store, lists, page)).toEqual([...wanted].toSorted(order));
      }),
      { numRuns: 300 },
    );
  });
});
