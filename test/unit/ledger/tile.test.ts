import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeEntryBundle,
  encodeEntryBundle,
  parseTilePath,
  tilePath,
  tilesOfLevel,
  widthAt,
} from '../../../src/ledger/tile.ts';

describe('tile paths', () => {
  it('are those of the specification', () => {
    expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe('tile/0/x001/x234/067');
    expect(tilePath({ level: 'entries', index: 273, width: 112 })).toBe('tile/entries/273.p/112');
    expect(parseTilePath('tile/0/x001/x234/067')).toEqual({ level: 0, index: 1234067, width: 256 });
    expect(parseTilePath('tile/63/000.p/255')).toEqual({ level: 63, index: 0, width: 255 });
  });

  it('are read back, and only in their one form', () => {
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const));
    const tile = fc.record({
      level,
      index: fc.nat({ max: 2 ** 40 }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(
      fc.property(tile, (ref) => {
        expect(parseTilePath(tilePath(ref))).toEqual(ref);
      }),
    );
    const wrong = [
      'tile/64/000',
      'tile/00/000',
      'tile/0/0',
      'tile/0/x000/000',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000.p/257',
      'tile/0/001/000',
      'tile/-1/000',
      'tile/entries',
      'tile/0/000/',
      '/tile/0/000',
      'tile/0/x001/x234/x067',
      'tile/data/000',
      'tile/0/000.p/',
      'tile/0/000\n',
      'tile/0/x999/x999/x999/x999/x999/999',
    ];
    expect(wrong.filter((path) => parseTilePath(path) !== undefined)).toEqual([]);
  });
});

describe('tile widths', () => {
  it('of a log of 70,000 entries', () => {
    expect(tilesOfLevel(0, 70_000)).toEqual({ full: 273, partial: 112 });
    expect(tilesOfLevel('entries', 70_000)).toEqual({ full: 273, partial: 112 });
    expect(tilesOfLevel(1, 70_000)).toEqual({ full: 1, partial: 17 });
    expect(tilesOfLevel(2, 70_000)).toEqual({ full: 0, partial: 1 });
    expect(tilesOfLevel(3, 70_000)).toEqual({ full: 0, partial: 0 });
    expect([widthAt(0, 272, 70_000), widthAt(0, 273, 70_000), widthAt(0, 274, 70_000)]).toEqual([256, 112, 0]);
    expect(widthAt(63, 0, Number.MAX_SAFE_INTEGER)).toBe(0);
  });
});

describe('entry bundles', () => {
  it('are read back and refused when cut, extended or of another count', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(entries, (list) => {
        const bundle = encodeEntryBundle(list);
        expect(decodeEntryBundle(bundle, list.length)?.map((entry) => [...entry])).toEqual(list.map((e) => [...e]));
        expect(decodeEntryBundle(bundle.subarray(0, -1), list.length)).toBeUndefined();
        expect(decodeEntryBundle(Buffer.concat([bundle, Buffer.from([0])]), list.length)).toBeUndefined();
        expect(decodeEntryBundle(bundle, list.length + 1)).toBeUndefined();
        expect(decodeEntryBundle(bundle, list.length - 1)).toBeUndefined();
      }),
    );
    expect(() => encodeEntryBundle([Buffer.alloc(65_536)])).toThrow(RangeError);
    expect(encodeEntryBundle([Buffer.alloc(65_535)]).length).toBe(65_537);
  });
});
