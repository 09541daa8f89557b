import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TagNumbers } from '../../../src/services/tag-numbers.ts';

const tagOf = (n: number): string => `tag ${n}`;

/** The numbers as writers anchor them: each reserves blocks of `block` and uses them in order; `turns`: who writes next. */
function numbersOf(turns: readonly number[], block: number): number[] {
  let reserved = 0;
  const standing = new Map<number, { next: number; end: number }>();
  return turns.map((writer) => {
    let mine = standing.get(writer);
    if (mine === undefined || mine.next === mine.end) {
      mine = { next: reserved, end: reserved + block };
      reserved += block;
      standing.set(writer, mine);
    }
    mine.next += 1;
    return mine.next - 1;
  });
}

describe('TagNumbers', () => {
  it('finds every number of any writers, however they take turns and die', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(12), { maxLength: 400 }),
        fc.constantFrom(1, 7, 16, 256),
        fc.integer({ min: 1, max: 6 }),
        (turns, block, shuffle) => {
          const numbers = numbersOf(turns, block);
          // Messages that are prepared at once are anchored in any order.
          for (let i = 0; i + shuffle < numbers.length; i += shuffle + 1) {
            [numbers[i], numbers[i + shuffle]] = [numbers[i + shuffle], numbers[i]];
          }
          const tags = new TagNumbers(0);
          for (const n of numbers) expect(tags.find(tagOf(n), tagOf)).toBe(n);
          expect(tags.next).toBe(Math.max(-1, ...numbers) + 1);
        },
      ),
    );
  });

  it('finds a writer that comes back after a hundred thousand numbers of another, also when it was begun again in between', () => {
    const tags = new TagNumbers(0);
    for (const n of [0, 1024, 1025]) expect(tags.find(tagOf(n), tagOf)).toBe(n);
    for (let n = 2048; n < 100_000; n += 1) tags.find(tagOf(n), tagOf);
    let asked = 0;
    const counted = (n: number): string => {
      asked += 1;
      return tagOf(n);
    };
    expect([1, 1026].map((n) => tags.find(tagOf(n), counted))).toEqual([1, 1026]);
    expect(asked).toBeLessThan(100);
    const again = new TagNumbers(100_000);
    expect([2, 3, 100_000, 4].map((n) => again.find(tagOf(n), tagOf))).toEqual([2, 3, 100_000, 4]);
    expect(again.next).toBe(100_001);
  });

  it('does not look through what thousands of dead writers have left whenever one begins a block', () => {
    const tags = new TagNumbers(0);
    for (let block = 0; block < 2_000; block += 1) tags.find(tagOf(block * 256), tagOf);
    let asked = 0;
    const counted = (n: number): string => {
      asked += 1;
      return tagOf(n);
    };
    expect(tags.find(tagOf(2_003 * 256), counted)).toBe(2_003 * 256);
    expect(asked).toBeLessThan(5_000);
  });

  it('finds the first of many writers that have begun at once', () => {
    expect(new TagNumbers(1).find(tagOf(64 * 1024), tagOf)).toBe(64 * 1024);
  });

  it('takes a number that was drawn twice', () => {
    const tags = new TagNumbers(0);
    for (let n = 0; n < 5_000; n += 1) tags.find(tagOf(n), tagOf);
    expect(tags.find(tagOf(3_000), tagOf)).toBe(3_000);
    expect(tags.next).toBe(5_000);
  });

  it('says of a tag of another lockbox that it is none', () => {
    expect(new TagNumbers(5).find('another', (n) => (n % 2 === 0 ? 'even' : 'odd'))).toBeUndefined();
  });
});
