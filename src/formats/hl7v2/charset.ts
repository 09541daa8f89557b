/**
 * Character sets of MSH-18 (HL7 v2 table 0211). Decoding is exact: bytes that the declared set cannot read are an
 * `invalid-charset` error, never U+FFFD. A message is decoded whole before it is split, since the second bytes of
 * GB 18030, Big5 and Shift_JIS can look like delimiters.
 */
import { isAscii, isUtf8 } from 'node:buffer';
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { decodeIso2022, mayHaveSequences } from './iso-2022.ts';
import { decodeWide, wideCharsetOf, type WideCharset } from './wide-charset.ts';

/** Encodings of the WHATWG Encoding standard that are not Unicode. */
const LEGACY = [
  'big5',
  'euc-jp',
  'euc-kr',
  'gb18030',
  'gbk',
  'ibm866',
  'iso-8859-2',
  'iso-8859-3',
  'iso-8859-4',
  'iso-8859-5',
  'iso-8859-6',
  'iso-8859-7',
  'iso-8859-8',
  'iso-8859-10',
  'iso-8859-13',
  'iso-8859-14',
  'iso-8859-15',
  'koi8-r',
  'koi8-u',
  'macintosh',
  'shift_jis',
  'windows-874',
  'windows-1250',
  'windows-1251',
  'windows-1252',
  'windows-1253',
  'windows-1254',
  'windows-1255',
  'windows-1256',
  'windows-1257',
  'windows-1258',
] as const;
type LegacyCharset = (typeof LEGACY)[number];

/** How a message is read. `iso-2022-jp`: ASCII, and whatever its escape sequences switch to. */
export type Charset = 'ascii' | 'utf-8' | 'iso-2022-jp' | WideCharset | LegacyCharset;

/**
 * Table 0211 to our charsets, and the registrations (ISO-IR) by which others call the same sets; keys without blanks, hyphens and
 * case. 8859/1, 8859/9 and 8859/11 are read by their Windows supersets, as the Encoding standard does: the bytes 80-9F, controls
 * in ISO 8859, are curly quotes and dashes in practice. CNS 11643-1992 has no decoder on this platform.
 */
const TABLE_0211: Readonly<Record<string, Charset>> = codeTable({
  ASCII: 'ascii',
  USASCII: 'ascii',
  ISOIR6: 'ascii',
  '8859/1': 'windows-1252',
  '8859/2': 'iso-8859-2',
  '8859/3': 'iso-8859-3',
  '8859/4': 'iso-8859-4',
  '8859/5': 'iso-8859-5',
  '8859/6': 'iso-8859-6',
  '8859/7': 'iso-8859-7',
  '8859/8': 'iso-8859-8',
  '8859/9': 'windows-1254',
  '8859/10': 'iso-8859-10',
  '8859/11': 'windows-874',
  '8859/13': 'iso-8859-13',
  '8859/14': 'iso-8859-14',
  '8859/15': 'iso-8859-15',
  ISOIR100: 'windows-1252',
  ISOIR101: 'iso-8859-2',
  ISOIR109: 'iso-8859-3',
  ISOIR110: 'iso-8859-4',
  ISOIR144: 'iso-8859-5',
  ISOIR127: 'iso-8859-6',
  ISOIR126: 'iso-8859-7',
  ISOIR138: 'iso-8859-8',
  ISOIR148: 'windows-1254',
  ISOIR166: 'windows-874',
  ISOIR203: 'iso-8859-15',
  ISOIR13: 'shift_jis',
  ISOIR14: 'iso-2022-jp',
  ISOIR87: 'iso-2022-jp',
  ISOIR159: 'iso-2022-jp',
  ISOIR58: 'gbk',
  ISOIR149: 'euc-kr',
  ISOIR192: 'utf-8',
  GB180302000: 'gb18030',
  KSX1001: 'euc-kr',
  BIG5: 'big5',
  UNICODE: 'utf-8',
  UNICODEUTF8: 'utf-8',
  UTF8: 'utf-8',
  UNICODEUTF16: 'utf-16be',
  UTF16: 'utf-16be',
  UNICODEUTF32: 'utf-32be',
  UTF32: 'utf-32be',
});

/**
 * Our charset for a code of table 0211 (`8859/1`, `UNICODE UTF-8` ...), or for a name that the Encoding standard knows
 * (`windows-1252`, `GB2312`): senders write those as well. Undefined for one that we cannot decode.
 */
export function charsetOf(code: string): Charset | undefined {
  const known =
    TABLE_0211[
      code
        .toUpperCase()
        .replace(/[\s_-]/g, '')
        .replace(/^ISO8859[/]?/, '8859/')
    ];
  return known ?? LEGACY.find((name) => name === labelled(code));
}

/** Name of the encoding that the Encoding standard knows by this label. */
function labelled(label: string): string | undefined {
  try {
    return new TextDecoder(label.trim()).encoding;
  } catch {
    return undefined;
  }
}

/** Charset by byte order mark, or by the zeros of UTF-16 and UTF-32, and how many bytes the mark takes; undefined where neither tells. */
export function byteOrderMark(bytes: Buffer): { charset: Charset; length: number } | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return { charset: 'utf-8', length: 3 };
  const wide = wideCharsetOf(bytes);
  return wide && { charset: wide.charset, length: wide.mark };
}

const decoders = new Map<LegacyCharset, InstanceType<typeof TextDecoder>>();

/** Text of bytes, exactly. Undefined when a byte has no meaning in the charset. */
export function decodeBytes(bytes: Buffer, charset: Charset): string | undefined {
  switch (charset) {
    case 'utf-8':
      // Measured: latin1Slice of ASCII bytes is five times faster than TextDecoder.
      if (isAscii(bytes)) return bytes.toString('latin1');
      return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
    case 'utf-16le':
    case 'utf-16be':
    case 'utf-32le':
    case 'utf-32be':
      return decodeWide(bytes, charset);
    case 'gb18030':
    case 'gbk':
    case 'big5':
      return decodePlain(bytes, charset);
    default:
      if (!mayHaveSequences(bytes)) return decodePlain(bytes, charset);
      return decodeIso2022(bytes, (run) => decodePlain(run, charset));
  }
}

/** Text of bytes without sequences that switch the set. */
function decodePlain(bytes: Buffer, charset: 'ascii' | 'iso-2022-jp' | LegacyCharset): string | undefined {
  if (isAscii(bytes)) return bytes.toString('latin1');
  if (charset === 'ascii' || charset === 'iso-2022-jp') return undefined;
  let decoder = decoders.get(charset);
  if (decoder === undefined) {
    decoder = new TextDecoder(charset, { fatal: true, ignoreBOM: true });
    decoders.set(charset, decoder);
  }
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** As `decodeBytes` with the first of the sets that can read the bytes; throws `invalid-charset` where none can. */
export function decodeOrThrow(bytes: Buffer, charsets: readonly Charset[]): { text: string; charset: Charset } {
  for (const charset of charsets) {
    const text = decodeBytes(bytes, charset);
    if (text !== undefined) return { text, charset };
  }
  throw new GatewayError(
    'invalid-charset',
    `the message has bytes that are not valid ${charsets.join(' or ')}; MSH-18 names its character set`,
    { expression: 'MSH-18' },
  );
}
