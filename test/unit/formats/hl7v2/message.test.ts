import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { components, repetitions, subcomponents } from '../../../../src/formats/hl7v2/delimiters.ts';
import { escapeText, unescapeText } from '../../../../src/formats/hl7v2/escape.ts';
import { parseHl7v2, type Hl7Message } from '../../../../src/formats/hl7v2/message.ts';

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
    .join('');
}

const parse = (text: string): Hl7Message => parseHl7v2(Buffer.from(text), 'utf-8');

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
          parseHl7v2(bytes, 'windows-1252');
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
  const name = (bytes: Buffer): string => parseHl7v2(bytes, 'utf-8').segments[1].field(5);

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
  ])('reads %s', (charset, bytes, text) => {
    expect(name(message(charset, Buffer.from(bytes)))).toBe(text);
  });

  it('invalid bytes are an error, never U+FFFD', () => {
    for (const [charset, bytes] of [
      ['UNICODE UTF-8', [0xff]],
      ['ASCII', [0xe4]],
      ['', [0xe4]],
      ['GB 18030-2000', [0xff]],
      ['8859/7', [0xff]],
    ] as const) {
      expect(() => parseHl7v2(message(charset, Buffer.from(bytes)), 'utf-8')).toThrow(
        expect.objectContaining({ code: 'invalid-charset' }),
      );
    }
  });

  it('a set that this platform cannot decode is an error', () => {
    for (const charset of ['CNS 11643-1992', 'KLINGON']) {
      expect(() => parseHl7v2(message(charset, Buffer.from('A')), 'utf-8')).toThrow(
        expect.objectContaining({ code: 'invalid-charset' }),
      );
    }
  });

  it('a delimiter in the second byte of a character does not split', () => {
    // 0x81 0x7C is one character of GB 18030.
    const parsed = parseHl7v2(message('GB 18030-2000', Buffer.from([0x81, 0x7c])), 'utf-8');
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
      const message = parseHl7v2(bytes, 'windows-1252');
      const bom = bytes[0] === 0xef ? '\ufeff' : '';
      expect(message.charset === 'windows-1252' ? message.text : bom + rebuild(message), file).toBe(
        message.charset === 'windows-1252' ? rebuild(message) : bytes.toString('utf8'),
      );
    }
  });
});
