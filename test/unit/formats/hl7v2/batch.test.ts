import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchReader,
  damagedBatches,
  isBatch,
  splitBatch,
  type BatchPiece,
} from '../../../../src/formats/hl7v2/batch.ts';

const FILE =
  'FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rPID|2\rBTS|2\rBHS|^~\\&|B\rMSH|^~\\&|3\rBTS|1\rFTS|2\r';

describe('batches', () => {
  it('splits a file of batches and reads its counts', () => {
    const file = splitBatch(Buffer.from(FILE));
    expect(file.messages.map(String)).toEqual(['MSH|^~\\&|1\rPID|1\r', 'MSH|^~\\&|2\rPID|2\r', 'MSH|^~\\&|3\r']);
    expect(file).toMatchObject({
      envelope: true,
      declared: 2,
      batches: [
        { count: 2, declared: 2 },
        { count: 1, declared: 1 },
      ],
    });
    expect(file.batches.map(({ header }) => String(header))).toEqual(['BHS|^~\\&|A', 'BHS|^~\\&|B']);
    expect(file.batches.map(({ messages }) => messages.length)).toEqual([2, 1]);
    expect(String(file.header)).toBe('FHS|^~\\&|A');
  });

  it('takes messages one after another, with a BOM and LF', () => {
    const file = splitBatch(Buffer.from('\ufeffMSH|^~\\&|1\nPID|1\n\nMSH|^~\\&|2\n'));
    expect(file.messages.map(String)).toEqual(['\ufeffMSH|^~\\&|1\nPID|1\n\n', 'MSH|^~\\&|2\n']);
    expect(file).toMatchObject({ envelope: false, declared: undefined, batches: [{ count: 2, declared: undefined }] });
  });

  it('trap: lines of a text that begin like an envelope are text', () => {
    const text = 'MSH|^~\\&|1\rNTE|1||Told\nMSH was late\nBTS and FHS too\nFTS\u00e4\rPID|1\r';
    expect(splitBatch(Buffer.from(text)).messages.map(String)).toEqual([text]);
    expect(splitBatch(Buffer.from(text))).toMatchObject({ envelope: false });
    expect(isBatch(Buffer.from(text))).toBe(false);
  });

  it.each([
    ['MSH|^~\\&|1\rPID|1\r', false],
    ['\r\n\0 MSH|^~\\&|1\rPID|1\r', false],
    ['\ufeffMSH|^~\\&|1\rPID|1\r', false],
    ['MSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\r', true],
    ['\n\ufeffFHS|^~\\&\r', true],
    ['BHS|^~\\&\r', true],
    ['', false],
  ])('isBatch of %j is %s', (text, expected) => {
    expect(isBatch(Buffer.from(text))).toBe(expected);
  });

  it('takes files that were put together, each with its byte order mark', () => {
    const [one, two] = ['\ufeffMSH|^~\\&|1\rPID|1\r', '\ufeffMSH|^~\\&|2\r'];
    expect(splitBatch(Buffer.from(one + two)).messages.map(String)).toEqual([one, two]);
  });

  it('a file of UTF-16 is one message', () => {
    const bytes = Buffer.from('\ufeffMSH|^~\\&|1\rPID|1\r', 'utf16le');
    const reader = new BatchReader(1000);
    const pieces = [...reader.push(bytes.subarray(0, 20)), ...reader.push(bytes.subarray(20)), ...reader.end()];
    expect(pieces).toEqual([{ kind: 'message', batch: 0, bytes }]);
  });

  it('finds nothing in nothing', () => {
    expect(splitBatch(Buffer.alloc(0)).messages).toEqual([]);
    expect(splitBatch(Buffer.from('no message')).messages).toEqual([]);
  });

  it.each([
    ['as its trailers say', FILE, new Set()],
    ['without counts', FILE.replace('BTS|2', 'BTS').replace('FTS|2', 'FTS|'), new Set()],
    ['with a wrong BTS-1', FILE.replace('BTS|2', 'BTS|3'), new Set([0])],
    ['with a message lost', FILE.replace('MSH|^~\\&|3\r', ''), new Set([1])],
    ['with a wrong FTS-1', FILE.replace('FTS|2', 'FTS|1'), 'all'],
    ['with a batch lost', FILE.replace('BHS|^~\\&|B\rMSH|^~\\&|3\rBTS|1\r', ''), 'all'],
    ['without a BTS between two batches', FILE.replace('BTS|2\r', ''), new Set()],
    ['messages without BHS', 'FHS|^~\\&\rMSH|^~\\&|1\rFTS|1\r', new Set()],
  ])('a file %s', (_what, text, damaged) => {
    expect(damagedBatches(splitBatch(Buffer.from(text)))).toEqual(damaged);
  });

  function read(
    bytes: Buffer,
    cuts: readonly number[],
    maxBytes = 1000,
  ): { pieces: BatchPiece[]; reader: BatchReader } {
    const reader = new BatchReader(maxBytes);
    const pieces: BatchPiece[] = [];
    const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
    let at = 0;
    for (const end of ends) {
      pieces.push(...reader.push(Buffer.from(bytes.subarray(at, end))));
      at = end;
    }
    pieces.push(...reader.end());
    return { pieces, reader };
  }

  it('property: read in pieces it is the same as read whole, wherever it is cut', () => {
    const line = fc.constantFrom(
      'FHS|^~\\&|A',
      'BHS|^~\\&|A',
      'MSH|^~\\&|x',
      'PID|1',
      'BTS|1',
      'BTS|2',
      'FTS|1',
      'x',
      'MSH x',
      'BTSx',
      '\0 MSH|',
      '\ufeffMSH|y',
      '',
    );
    const text = fc
      .tuple(fc.boolean(), fc.array(fc.tuple(line, fc.constantFrom('\r', '\n', '\r\n')), { maxLength: 12 }), line)
      .map(([bom, lines, last]) => `${bom ? '\ufeff' : ''}${lines.map((parts) => parts.join('')).join('')}${last}`);
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 5 }), (input, cuts) => {
        const bytes = Buffer.from(input);
        const { pieces, reader } = read(bytes, cuts);
        const whole = splitBatch(bytes);
        expect(pieces.map((piece) => (piece.kind === 'message' ? String(piece.bytes) : piece.kind))).toEqual(
          whole.messages.map(String),
        );
        const counted = whole.batches.map(({ count, declared }) => ({ count, declared }));
        expect(reader.result()).toMatchObject({ declared: whole.declared, envelope: whole.envelope });
        expect(reader.result().batches.map(({ count, declared }) => ({ count, declared }))).toEqual(counted);
      }),
    );
  });

  it('in pieces holds one message at a time, and skips one that is too large', () => {
    const large = `MSH|^~\\&|L\r${'OBX|1\r'.repeat(500)}`;
    const { pieces, reader } = read(
      Buffer.from(`BHS|^~\\&\r${large}MSH|^~\\&|S\rOBX|${'y'.repeat(5000)}\rMSH|^~\\&|T\rBTS|3\r`),
      [100, 900],
    );
    expect(pieces.map(({ kind }) => kind)).toEqual(['too-large', 'too-large', 'message']);
    expect(reader.result().batches).toMatchObject([{ count: 3, declared: 3 }]);
  });
});
