/**
 * UTF-16 and UTF-32: the encodings in which even `MSH` takes more than three bytes, so that they are known by the bytes and not
 * by MSH-18. MLLP advises against them (bytes of a character can look like those of a frame); some systems send them all the same.
 */

export type WideCharset = 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

export function isWide(charset: string): charset is WideCharset {
  return MARKS.some(([wide]) => wide === charset);
}

/** Byte order marks; those of UTF-32 first, since that of UTF-32LE begins like that of UTF-16LE. */
const MARKS: readonly (readonly [WideCharset, readonly number[]])[] = [
  ['utf-32le', [0xff, 0xfe, 0, 0]],
  ['utf-32be', [0, 0, 0xfe, 0xff]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** The wide encoding of the bytes and the length of its byte order mark; undefined where they are of another. */
export function wideCharsetOf(bytes: Buffer): { readonly charset: WideCharset; readonly mark: number } | undefined {
  const first = bytes[0];
  if (first !== undefined && first !== 0 && first < 0xfe && bytes[1] !== 0) return undefined;
  for (const [charset, mark] of MARKS) {
    if (mark.every((byte, i) => bytes[i] === byte)) return { charset, mark: mark.length };
  }
  // Without a mark: two ASCII characters, each with zeros around it.
  for (const [charset] of MARKS) {
    const { size, seat } = unitOf(charset);
    const isUnit = (_: unknown, i: number): boolean => (i % size === seat ? bytes[i] > 0 : bytes[i] === 0);
    if (bytes.length >= 2 * size && Array.from({ length: 2 * size }).every(isUnit)) return { charset, mark: 0 };
  }
  return undefined;
}

/** Text of bytes without their mark; undefined where they are not of the encoding. */
export function decodeWide(bytes: Buffer, charset: WideCharset): string | undefined {
  switch (charset) {
    case 'utf-16le':
    case 'utf-16be':
      try {
        return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        return undefined;
      }
    default:
      return decodeUtf32(bytes, charset === 'utf-32le');
  }
}

function decodeUtf32(bytes: Buffer, little: boolean): string | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const code = little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at);
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    parts.push(String.fromCodePoint(code));
  }
  return parts.join('');
}

/** The ASCII characters of bytes without their mark, one byte each; any other is a SUB (1A). */
export function narrow(bytes: Buffer, charset: WideCharset): Buffer {
  const { size, seat } = unitOf(charset);
  const narrowed = Buffer.alloc(Math.floor(bytes.length / size), SUB);
  for (let i = 0; i < narrowed.length; i++) {
    const unit = bytes.subarray(i * size, (i + 1) * size);
    if (unit[seat] < 0x80 && unit.every((byte, at) => at === seat || byte === 0)) narrowed[i] = unit[seat];
  }
  return narrowed;
}

/** Bytes of ASCII text. */
export function encodeWide(text: string, charset: WideCharset): Buffer {
  const { size, seat } = unitOf(charset);
  const bytes = Buffer.alloc(text.length * size);
  for (let i = 0; i < text.length; i++) bytes[i * size + seat] = text.charCodeAt(i) & 0x7f;
  return bytes;
}

const SUB = 0x1a;

function unitOf(charset: WideCharset): { readonly size: number; readonly seat: number } {
  const size = charset.startsWith('utf-16') ? 2 : 4;
  return { size, seat: charset.endsWith('le') ? 0 : size - 1 };
}
