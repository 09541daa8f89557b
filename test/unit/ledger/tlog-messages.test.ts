import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/core/byte-reader.ts';
import { checkpointText, signCheckpoint } from '../../../src/ledger/checkpoint.ts';
import {
  encodeAddEntriesHeader,
  encodeMirrorInfo,
  encodePackage,
  packageRanges,
  parseMirrorInfo,
  readAddEntriesHeader,
  readPackage,
} from '../../../src/ledger/mirror-message.ts';
import {
  encodeAddCheckpoint,
  encodeSize,
  parseAddCheckpoint,
  parseSizeBody,
} from '../../../src/ledger/witness-message.ts';
import { noteSigner } from './support.ts';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const size = fc.nat({ max: Number.MAX_SAFE_INTEGER });

/** The example of the specification. */
const EXAMPLE = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`;

describe('add-checkpoint', () => {
  it('reads the example of the specification', () => {
    const request = parseAddCheckpoint(EXAMPLE);
    expect(request?.oldSize).toBe(20_852_014);
    expect(request?.proof).toHaveLength(4);
    expect(request?.checkpoint).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 });
    expect(request?.note.signatures).toHaveLength(2);
  });

  it('reads what it writes', () => {
    const signer = noteSigner('log.example/a');
    fc.assert(
      fc.property(size, fc.array(hash, { maxLength: 63 }), size, hash, (old, proof, newSize, root) => {
        const body = encodeAddCheckpoint(old, proof, signCheckpoint(signer.name, newSize, root, signer));
        const request = parseAddCheckpoint(body);
        expect(request).toMatchObject({ oldSize: old, proof, checkpoint: { size: newSize, root } });
        expect(request?.note.text).toBe(checkpointText(signer.name, newSize, root));
      }),
    );
  });

  it.each([
    EXAMPLE.replace('old 20852014', 'old 020852014'),
    EXAMPLE.replace('old 20852014', 'old -1'),
    EXAMPLE.replace('old 20852014', 'old  20852014'),
    EXAMPLE.replace('old 20852014', 'old 99999999999999999999'),
    EXAMPLE.replace('old 20852014', 'new 20852014'),
    EXAMPLE.replace('PlRN', 'PlR'),
    EXAMPLE.replace('\n\nexample', '\nexample'),
    EXAMPLE.replace('20852163', '020852163'),
    EXAMPLE.slice(0, -1),
    EXAMPLE.replace('old 20852014\n', `old 20852014\n${'PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n'.repeat(60)}`),
    '',
  ])('refuses a malformed body', (body) => {
    expect(parseAddCheckpoint(body)).toBeUndefined();
  });

  it('refuses garbage', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseAddCheckpoint(text) === undefined));
  });

  it('says the size of a conflict', () => {
    fc.assert(fc.property(size, (value) => parseSizeBody(encodeSize(value)) === value));
    for (const body of ['', '1', '01\n', '1\n\n', 'x\n']) expect(parseSizeBody(body)).toBeUndefined();
    expect(() =>
      encodeAddCheckpoint(
        0,
        Array.from({ length: 64 }, () => Buffer.alloc(32)),
        '',
      ),
    ).toThrow(RangeError);
  });
});

/** The bytes in pieces of the given lengths, again and again. */
async function* inPieces(bytes: Buffer, lengths: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const length = lengths[i % lengths.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

describe('add-entries', () => {
  it('cuts an upload where the specification does', () => {
    expect([...packageRanges(0, 0)]).toEqual([]);
    expect([...packageRanges(300, 301)]).toEqual([{ subtreeStart: 256, start: 300, end: 301 }]);
    expect([...packageRanges(255, 513)]).toEqual([
      { subtreeStart: 0, start: 255, end: 256 },
      { subtreeStart: 256, start: 256, end: 512 },
      { subtreeStart: 512, start: 512, end: 513 },
    ]);
  });

  it('reads what it writes, however the stream is cut', async () => {
    const entry = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 1000 }),
        fc.nat({ max: 600 }),
        fc.array(hash, { maxLength: 63 }),
        fc.uint8Array({ maxLength: 50 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }),
        entry,
        async (start, length, proof, ticket, cuts, one) => {
          const header = { origin: 'log.example/ä', start, end: start + length, ticket: Buffer.from(ticket) };
          const ranges = [...packageRanges(header.start, header.end)];
          const entries = (range: { start: number; end: number }): Buffer[] =>
            Array.from({ length: range.end - range.start }, (_, i) => Buffer.concat([one, Buffer.from([i % 256])]));
          const body = Buffer.concat([
            encodeAddEntriesHeader(header),
            ...ranges.map((range) => encodePackage(entries(range), proof)),
          ]);
          const reader = new ByteReader(inPieces(body, cuts));
          expect(await readAddEntriesHeader(reader)).toEqual(header);
          for (const range of ranges) {
            expect(await readPackage(reader, range, 65_535)).toEqual({ ...range, entries: entries(range), proof });
          }
          expect(await reader.ended()).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('knows a cut body', async () => {
    const range = { subtreeStart: 0, start: 0, end: 2 };
    const bytes = encodePackage([Buffer.from('a'), Buffer.from('bc')], [Buffer.alloc(32)]);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(
        await readPackage(new ByteReader(inPieces(bytes.subarray(0, length), [7])), range, 65_535),
      ).toBeUndefined();
    }
    const header = encodeAddEntriesHeader({ origin: 'a', start: 0, end: 1, ticket: Buffer.from('t') });
    for (let length = 0; length < header.length; length += 1) {
      expect(await readAddEntriesHeader(new ByteReader(inPieces(header.subarray(0, length), [3])))).toBeUndefined();
    }
    const long = Buffer.concat([Buffer.from([0, 0, 64]), Buffer.alloc(64 * 32)]);
    expect(await readPackage(new ByteReader(inPieces(long, [999])), { ...range, end: 1 }, 65_535)).toBeUndefined();
  });

  it('refuses impossible bounds', async () => {
    const read = (start: number, end: number): Promise<unknown> =>
      readAddEntriesHeader(
        new ByteReader(inPieces(encodeAddEntriesHeader({ origin: 'a', start, end, ticket: Buffer.alloc(0) }), [99])),
      );
    expect(await read(2, 1)).toBeUndefined();
    const huge = encodeAddEntriesHeader({ origin: 'a', start: 0, end: 1, ticket: Buffer.alloc(0) });
    huge.fill(0xff, 11, 19);
    expect(await readAddEntriesHeader(new ByteReader(inPieces(huge, [99])))).toBeUndefined();
  });

  it('says its state', () => {
    fc.assert(
      fc.property(size, size, fc.uint8Array({ maxLength: 100 }), (pending, next, ticket) => {
        const info = { size: pending, next, ticket: Buffer.from(ticket) };
        expect(parseMirrorInfo(encodeMirrorInfo(info))).toEqual(info);
      }),
    );
    for (const body of ['', '1\n2\n', '1\n2\n=\n', '1\n2\n\n\n', 'a\n2\n\n'])
      expect(parseMirrorInfo(body)).toBeUndefined();
  });
});
