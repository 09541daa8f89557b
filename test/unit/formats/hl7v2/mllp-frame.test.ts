import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, MllpDecoder, type FrameEvent } from '../../../../src/formats/hl7v2/mllp-frame.ts';

const VT = '\x0b';
const FS = '\x1c';

function decode(chunks: readonly Buffer[], maxBytes = 1000): FrameEvent[] {
  const decoder = new MllpDecoder(maxBytes);
  return [...chunks.flatMap((chunk) => decoder.push(chunk)), ...decoder.end()];
}

const texts = (events: FrameEvent[]): string[] =>
  events.map((event) => (event.kind === 'frame' ? event.bytes.toString('latin1') : event.kind));
const decodeText = (text: string, maxBytes = 1000): string[] => texts(decode([Buffer.from(text, 'latin1')], maxBytes));

describe('MLLP frames', () => {
  it('reads several in one chunk', () => {
    expect(decodeText(`${VT}one${FS}\r${VT}two${FS}\r`)).toEqual(['one', 'two']);
  });

  it('trap: NUL, CR, LF and garbage between frames', () => {
    const decoder = new MllpDecoder(1000);
    const events = decoder.push(Buffer.from(`\0\r\nxy${VT}one${FS}\r\n\0\0${VT}two${FS}\r`, 'latin1'));
    expect(texts(events)).toEqual(['one', 'two']);
    expect(decoder.garbage).toBe(2);
  });

  it('trap: doubled VT, FS without CR', () => {
    expect(decodeText(`${VT}${VT}one${FS}${VT}two${FS}`)).toEqual(['one', 'two']);
  });

  it('trap: an FS inside of a message does not cut it off', () => {
    expect(decodeText(`${VT}one${FS}two${FS}\r${VT}three${FS}\r`)).toEqual([`one${FS}two`, 'three']);
    expect(decodeText(`${VT}one${FS}two${VT}MSH|3${FS}`)).toEqual(['truncated', 'MSH|3']);
    const decoder = new MllpDecoder(1000);
    expect(decoder.push(Buffer.from(`${VT}one${FS}`, 'latin1'))).toEqual([]);
    expect(texts(decoder.push(Buffer.from(`two${FS}`, 'latin1')))).toEqual([]);
    expect(decoder.isEnding).toBe(true);
    expect(texts(decoder.settle())).toEqual([`one${FS}two`]);
    expect(decoder.settle()).toEqual([]);
    expect(decoder.inFrame).toBe(false);
  });

  it('trap: a VT inside of a message does not cut it off: word processors write line breaks so', () => {
    expect(decodeText(`${VT}one${VT}two${VT}MS two${FS}\r${VT}MSH|3${FS}\r`)).toEqual([
      `one${VT}two${VT}MS two`,
      'MSH|3',
    ]);
    expect(decodeText(`${VT}one${VT}MSH is low${FS}\r`)).toEqual([`one${VT}MSH is low`]);
    expect(decodeText(`${VT}123456${VT}7${VT}MSH|${FS}\r`, 5)).toEqual(['too-large', 'MSH|']);
    const decoder = new MllpDecoder(1000);
    expect(decoder.push(Buffer.from(`${VT}one${VT}`, 'latin1'))).toEqual([]);
    expect(decoder.push(Buffer.from('M', 'latin1'))).toEqual([]);
    expect(decoder.buffered).toBe(5);
    expect(texts(decoder.push(Buffer.from(`r. X${FS}\r`, 'latin1')))).toEqual([`one${VT}Mr. X`]);
  });

  it('trap: a truncated frame is discarded, never merged', () => {
    expect(decodeText(`${VT}half${VT}MSH|whole${FS}\r`)).toEqual(['truncated', 'MSH|whole']);
    expect(decodeText(`${VT}half${VT}\r\n BHS|whole${FS}\r`)).toEqual(['truncated', '\r\n BHS|whole']);
    expect(decodeText(`${VT}half${VT}\xff\xfeM\0${FS}\r`)).toEqual(['truncated', '\xff\xfeM\0']);
    expect(decodeText(`${VT}half${VT}${FS}\r`)).toEqual(['truncated', '']);
    expect(decodeText(`${VT}half${VT}${VT}MSH|${FS}\r`)).toEqual(['truncated', 'MSH|']);
    expect(decodeText(`${VT}half${VT}MS`)).toEqual(['truncated']);
    expect(decodeText(`${VT}half`)).toEqual(['truncated']);
  });

  it('reports a frame beyond the limit once and goes on', () => {
    expect(decodeText(`${VT}12345678${FS}\r${VT}ok${FS}\r`, 5)).toEqual(['too-large', 'ok']);
    const decoder = new MllpDecoder(5);
    decoder.push(Buffer.from(`${VT}1234567`, 'latin1'));
    decoder.push(Buffer.alloc(100_000, 0x41));
    expect(decoder.buffered).toBe(0);
  });

  it('an empty frame is a frame', () => {
    expect(decodeText(`${VT}${FS}\r`)).toEqual(['']);
  });

  it('property: any chunking gives the same events', () => {
    const piece = fc.constantFrom(
      VT,
      FS,
      '\r',
      '\n',
      '\0',
      'MSH|',
      'abc',
      'defghij',
      'M',
      '\xef\xbb',
      '\xbfFHS',
      '\xff',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(200), { maxLength: 20 }), (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(''), 'latin1');
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        expect(texts(decode(chunks, 12))).toEqual(texts(decode([bytes], 12)));
      }),
    );
  });

  it('a frame that comes byte by byte is whole', () => {
    const text = Array.from({ length: 3000 }, (_, i) => String.fromCharCode(0x20 + (i % 90))).join('');
    const bytes = Buffer.from(`${VT}${text}${FS}\r${VT}next${FS}\r`, 'latin1');
    const drops = Array.from(bytes, (byte) => Buffer.from([byte]));
    expect(texts(decode(drops, 5000))).toEqual([text, 'next']);
  });

  it('property: what is framed comes out', () => {
    const message = fc
      .uint8Array({ maxLength: 100 })
      .map((bytes) => Buffer.from(bytes).filter((byte) => byte !== 0x0b && byte !== 0x1c));
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const stream = Buffer.concat(messages.map((each) => encodeFrame(Buffer.from(each))));
        expect(texts(decode([stream]))).toEqual(messages.map((each) => Buffer.from(each).toString('latin1')));
      }),
    );
  });

  it('refuses to frame a message that would break the framing', () => {
    expect(() => encodeFrame(Buffer.from([0x0b]))).toThrow();
    expect(() => encodeFrame(Buffer.from([0x1c]))).toThrow();
  });
});
