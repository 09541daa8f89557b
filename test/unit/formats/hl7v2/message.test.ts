import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { decodeBytes } from '../../../../src/formats/hl7v2/charset.ts';
import { components, repetitions, subcomponents } from '../../../../src/formats/hl7v2/delimiters.ts';
import { escapeText, unescapeText } from '../../../../src/formats/hl7v2/escape.ts';
import { parseHl7v2, rawHeader, type Hl7Message } from '../../../../src/formats/hl7v2/message.ts';

const corpora = process.env.CORPORA_DIR;
if (corpora === undefined) console.log('CORPORA_DIR is not set: corpus tests of the tokenizer are skipped');

/** Joins what the tokenizer split, down to the last level. */
function rebuild(message: Hl7Message): string {
  const by = message.delimiters;
  const field = (raw: string): string =>
    repetitions(raw, by)
      .map((repetition) =>
        components(repetition, by)
          .map((component) => subcomponents(component, by).join(by.subcomponent))
          .join(by.component),
      )
      .join(by.repetition);
  return message.segments
    .map((segment) => {
      const header = segment.id === 'MSH' || segment.id === 'FHS' || segment.id === 'BHS';
      const fields: string[] = [];
      for (let n = header ? 2 : 1; n <= segment.fieldCount; n++) {
        fields.push(header && n === 2 ? segment.field(n) : field(segment.field(n)));
      }
      return [segment.text.split(by.field, 1)[0], ...fields].join(by.field) + segment.terminator;
    })
    .reduce((text, segment) => text + segment, message.lead);
}

const parse = (text: string): Hl7Message => parseHl7v2(Buffer.from(text), { charset: 'utf-8' });

describe('tokenizer', () => {
  it('reads fields, repetitions, components and subcomponents', () => {
    const message = parse('MSH|^~\\&|A|B\rPID|1||1^^^X&1.2&ISO^MR~2||D&u^J\rZAB|x');
    const pid = message.segments[1];
    expect(message.msh.field(1)).toBe('|');
    expect(message.msh.field(2)).toBe('^~\\&');
    expect(message.msh.field(3)).toBe('A');
    const [first, second] = repetitions(pid.field(3), message.delimiters);
    expect(components(first, message.delimiters)[3]).toBe('X&1.2&ISO');
    expect(subcomponents('X&1.2&ISO', message.delimiters)).toEqual(['X', '1.2', 'ISO']);
    expect(second).toBe('2');
    expect(pid.field(99)).toBe('');
    expect(message.segments[2].id).toBe('ZAB');
  });

  it('trap: MSH-2 may have five characters, and other delimiters', () => {
    const message = parse('MSH|^~\\&#|A\rPID|1||1#');
    expect(message.delimiters.truncation).toBe('#');
    expect(message.msh.field(2)).toBe('^~\\&#');
    const other = parse('MSH$*!@%$A$\rPID$1$$1*2!3%4');
    expect(components('1*2', other.delimiters)).toEqual(['1', '2']);
    expect(other.segments[1].field(3)).toBe('1*2!3%4');
  });

  it('trap: BOM, LF and CRLF line ends', () => {
    for (const end of ['\r', '\n', '\r\n', '\r\r\n']) {
      const message = parse(`\ufeffMSH|^~\\&|A${end}PID|1${end}PV1|1`);
      expect(message.segments.map((segment) => segment.id)).toEqual(['MSH', 'PID', 'PV1']);
      expect(`\ufeff${rebuild(message)}`).toBe(message.bytes.toString());
    }
  });

  it('trap: a line feed inside of a text does not end a segment of a CR message', () => {
    const message = parse('MSH|^~\\&|A\rOBX|1|TX|c||line 1\nline 2|\rOBX|2');
    expect(message.segments[1].field(5)).toBe('line 1\nline 2');
    expect(message.segments).toHaveLength(3);
  });

  it('trap: blanks, NULs and the end mark of old systems around a message', () => {
    const text = '\r\n\0 MSH|^~\\&|A\r\n\rPID|1\r\0\u001a\r ';
    const message = parse(text);
    expect(message.segments.map(({ id }) => id)).toEqual(['MSH', 'PID']);
    expect(rebuild(message)).toBe(text);
  });

  it.each([
    '',
    'PID|1',
    'MSH',
    'MSHX',
    'MSH|\r',
    'MSH|AAAA|x',
    'MSH|^^^^|x',
    'MSH|^~\\&|A\rthis is not a segment',
    'MSH|^~\\&|A\rPIDX|1',
    'MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\rPID|2',
  ])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(GatewayError);
  });

  it('property: whatever parses is rebuilt byte for byte', () => {
    const piece = fc.constantFrom(
      '|',
      '^',
      '~',
      '\\',
      '&',
      '\r',
      '\n',
      '\r\n',
      'PID|',
      'OBX|',
      '""',
      'ä',
      'x',
      '\\F\\',
      ' ',
      '\rNTE|',
      '\0',
      '\u001a',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = `MSH|^~\\&|${pieces.join('')}`;
        let message: Hl7Message;
        try {
          message = parse(text);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(GatewayError);
          return;
        }
        expect(rebuild(message)).toBe(text);
      }),
    );
  });

  it('property: no bytes crash it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const bytes = Buffer.concat([Buffer.from('MSH|^~\\&|A\r'), noise]);
        try {
          parseHl7v2(bytes, { charset: 'windows-1252' });
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(GatewayError);
        }
      }),
    );
  });

  it('is linear in a message of many line feeds', () => {
    const message = parse(`MSH|^~\\&|A\rOBX|1|TX|c||${'x\n'.repeat(200_000)}\r`);
    expect(message.segments).toHaveLength(2);
  });
});

describe('trap: charset', () => {
  const message = (charset: string, name: Buffer): Buffer =>
    Buffer.concat([
      Buffer.from(`MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||${charset}\rPID|1||1||`),
      name,
      Buffer.from('\r'),
    ]);
  const name = (bytes: Buffer): string => parseHl7v2(bytes, { charset: 'utf-8' }).segments[1].field(5);

  it.each([
    ['8859/1', [0xd6], 'Ö'],
    ['8859/2', [0xa3], 'Ł'],
    ['8859/5', [0xb6], 'Ж'],
    ['8859/7', [0xd9], 'Ω'],
    ['8859/15', [0xa4], '€'],
    ['UNICODE UTF-8', [0xc3, 0x96], 'Ö'],
    ['GB 18030-2000', [0xcd, 0xf5], '王'],
    ['BIG-5', [0xa4, 0xfd], '王'],
    ['KS X 1001', [0xbf, 0xd5], '왕'],
    ['ISO IR87', [0x1b, 0x24, 0x42, 0x3b, 0x33, 0x1b, 0x28, 0x42], '山'],
    ['', [0xc3, 0x96], 'Ö'],
    ['ASCII~UNICODE UTF-8', [0x41], 'A'],
    ['ASCII~UNICODE UTF-8', [0xc3, 0x96], 'Ö'],
    ['ASCII~8859/2', [0xa3], 'Ł'],
    ['ASCII~CNS 11643-1992', [0x41], 'A'],
    ['UNICODE UTF-16', [0xc3, 0x96], 'Ö'],
    ['8859/10', [0xa3], 'Ģ'],
    ['8859/11', [0xa1], 'ก'],
    ['8859/13', [0xd0], 'Š'],
    ['8859/14', [0xa1], 'Ḃ'],
    ['ISO_IR 100', [0xd6], 'Ö'],
    ['ISO-8859-1', [0xd6], 'Ö'],
    ['windows-1250', [0x8a], 'Š'],
    ['GB2312', [0xcd, 0xf5], '王'],
    // Sets that are switched to: JIS X 0208, 0201 and 0212, KS X 1001, GB 2312, the right halves of ISO 8859.
    ['ASCII~ISO IR87', [0x1b, 0x24, 0x42, 0x3b, 0x33, 0x45, 0x44, 0x1b, 0x28, 0x42, 0x41], '山田A'],
    ['~ISO IR87', [0x1b, 0x24, 0x42, 0x3b, 0x33, 0x1b, 0x28, 0x4a], '山'],
    ['ISO IR13~ISO IR87', [0xd4, 0xcf, 0x1b, 0x24, 0x42, 0x3b, 0x33, 0x1b, 0x28, 0x42], 'ﾔﾏ山'],
    ['ASCII~ISO IR159', [0x1b, 0x24, 0x28, 0x44, 0x30, 0x21, 0x1b, 0x28, 0x42], '丂'],
    ['ASCII~KS X 1001', [0x1b, 0x24, 0x29, 0x43, 0xbf, 0xd5, 0x41], '왕A'],
    ['ASCII~8859/7~8859/5', [0x1b, 0x2d, 0x46, 0xd9, 0x1b, 0x2d, 0x4c, 0xb6], 'ΩЖ'],
  ])('reads %s', (charset, bytes, text) => {
    expect(name(message(charset, Buffer.from(bytes)))).toBe(text);
  });

  it.each([
    ['ASCII~ISO IR87', String.raw`\M2442\;3ED\C2842\A`, '山田A'],
    ['ASCII~ISO IR159', String.raw`\M242844\0!\C2842\ B`, '丂 B'],
    ['ASCII~8859/7', `\\C2D46\\\u00d9`, 'Ω'],
    ['ASCII', String.raw`\C9999\ \Cabc\ \M24\ C:\C2`, String.raw`\C9999\ \Cabc\ \M24\ C:\C2`],
    ['UNICODE UTF-8', String.raw`\M2442\;3`, String.raw`\M2442\;3`],
  ])('switching written out, in %s', (charset, written, text) => {
    expect(name(message(charset, Buffer.from(written, 'latin1')))).toBe(text);
  });

  it('a delimiter among the bytes of a set that was switched to does not split; the end of a segment switches back', () => {
    // 3C 7C is one character of JIS X 0208.
    const bytes = message('ASCII~ISO IR87', Buffer.from('\u001b$B<|\rPV1|1|I', 'latin1'));
    const { segments } = parseHl7v2(bytes, { charset: 'utf-8' });
    expect(segments[1].field(5)).toHaveLength(1);
    expect(segments[2].field(2)).toBe('I');
  });

  it('property: what iso-2022-jp writes is read as it is read by TextDecoder', () => {
    const oracle = new TextDecoder('iso-2022-jp', { fatal: true });
    const rows = fc.tuple(fc.integer({ min: 0x30, max: 0x74 }), fc.integer({ min: 0x21, max: 0x7e }));
    const part = fc.oneof(
      fc
        .array(rows, { minLength: 1, maxLength: 4 })
        .map((pairs) => `\u001b$B${pairs.map((pair) => String.fromCharCode(...pair)).join('')}\u001b(B`),
      fc.stringMatching(/^[A-Za-z0-9 ]{0,5}$/),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        // That decoder refuses two sequences without text between them, which senders write.
        const bytes = Buffer.from(parts.map((each) => `${each}.`).join(''), 'latin1');
        let expected: string | undefined;
        try {
          expected = oracle.decode(bytes);
        } catch {
          expected = undefined;
        }
        expect(decodeBytes(bytes, 'iso-2022-jp')).toBe(expected);
      }),
    );
  });

  const wide = (text: string, encoding: string): Buffer => {
    if (encoding.startsWith('utf-16')) {
      const little = Buffer.from(text, 'utf16le');
      return encoding.endsWith('le') ? little : little.swap16();
    }
    const points = Array.from(text, (character) => character.codePointAt(0) ?? 0);
    const bytes = Buffer.alloc(points.length * 4);
    for (const [i, point] of points.entries()) {
      if (encoding.endsWith('le')) bytes.writeUInt32LE(point, 4 * i);
      else bytes.writeUInt32BE(point, 4 * i);
    }
    return bytes;
  };

  it.each(['utf-16le', 'utf-16be', 'utf-32le', 'utf-32be'])('reads %s, with and without its mark', (encoding) => {
    for (const mark of ['\ufeff', '']) {
      const bytes = wide(
        `${mark}MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5||||||UNICODE UTF-16\rPID|1||1||Ł𝔄\r`,
        encoding,
      );
      const parsed = parseHl7v2(bytes, { charset: 'utf-8' });
      expect(parsed.charset).toBe(encoding);
      expect(parsed.segments[1].field(5)).toBe('Ł𝔄');
      expect(rawHeader(bytes)?.fields[9]).toBe('1');
    }
    expect(() => parseHl7v2(wide('\ufeffMSH|^~\\&|A', encoding).subarray(0, -1), { charset: 'utf-8' })).toThrow(
      GatewayError,
    );
  });

  it('invalid bytes are an error, never U+FFFD', () => {
    for (const [charset, bytes] of [
      ['UNICODE UTF-8', [0xff]],
      ['ASCII', [0xe4]],
      ['', [0xe4]],
      ['GB 18030-2000', [0xff]],
      ['8859/7', [0xff]],
      ['ASCII~UNICODE UTF-8', [0xff]],
      ['ASCII~ISO IR87', [0x1b, 0x24, 0x42, 0x3b]],
      ['ASCII~ISO IR87', [0x1b, 0x24, 0x42, 0x7e, 0x7e]],
      ['ASCII~KS X 1001', [0x1b, 0x24, 0x29, 0x43, 0xff, 0x41]],
    ] as const) {
      expect(() => parseHl7v2(message(charset, Buffer.from(bytes)), { charset: 'utf-8' })).toThrow(
        expect.objectContaining({ code: 'invalid-charset' }),
      );
    }
  });

  it('a set that this platform cannot decode is an error', () => {
    for (const charset of ['CNS 11643-1992', 'KLINGON']) {
      expect(() => parseHl7v2(message(charset, Buffer.from('A')), { charset: 'utf-8' })).toThrow(
        expect.objectContaining({ code: 'invalid-charset' }),
      );
    }
  });

  it('a delimiter in the second byte of a character does not split', () => {
    // 0x81 0x7C is one character of GB 18030.
    const parsed = parseHl7v2(message('GB 18030-2000', Buffer.from([0x81, 0x7c])), { charset: 'utf-8' });
    expect(parsed.segments[1].field(5)).toHaveLength(1);
  });
});

describe('escape sequences', () => {
  const by = parse('MSH|^~\\&#|A').delimiters;
  const text = (raw: string): string => unescapeText(raw, by, 'utf-8');

  it.each([
    ['a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\P\\', 'a|b^c&d~e\\f#'],
    ['line 1\\.br\\line 2', 'line 1\nline 2'],
    ['a\\.sp2\\b\\.sk3\\c\\.in+4\\d', 'a\n\nb   cd'],
    ['\\H\\bold\\N\\', 'bold'],
    ['\\XC3A4\\', 'ä'],
    ['\\X0D0A\\', '\r\n'],
    ['C:\\temp\\F\\x', 'C:\\temp|x'],
    ['\\Zabc\\ \\XFF\\ \\X1\\', '\\Zabc\\ \\XFF\\ \\X1\\'],
    ['one \\ alone', 'one \\ alone'],
  ])('%j is %j', (raw, expected) => {
    expect(text(raw)).toBe(expected);
  });

  it('property: unescape after escape is identity', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        expect(text(escapeText(value, by))).toBe(value);
      }),
    );
  });
});

describe.skipIf(corpora === undefined)('corpora', () => {
  const folders = ['hl7v2/microsoft', 'hl7v2/cdc']
    .map((folder) => join(corpora ?? '', folder))
    .filter((folder) => existsSync(folder));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.hl7'))
      .map((name) => join(folder, name)),
  );

  it('every sample is rebuilt byte for byte', () => {
    expect(files.length).toBeGreaterThan(200);
    for (const file of files) {
      const bytes = readFileSync(file);
      const message = parseHl7v2(bytes, { charset: 'windows-1252' });
      const bom = bytes[0] === 0xef ? '\ufeff' : '';
      expect(message.charset === 'windows-1252' ? message.text : bom + rebuild(message), file).toBe(
        message.charset === 'windows-1252' ? rebuild(message) : bytes.toString('utf8'),
      );
    }
  });
});
