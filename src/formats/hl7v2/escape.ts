/**
 * Escape sequences (HL7 v2 section 2.7): delimiters `\F\ \S\ \T\ \R\ \E\ \P\`, hexadecimal `\X..\`, formatting
 * `\.br\ \.sp\ ...` and highlighting `\H\ \N\`. What is not a known sequence stays as it is written, so that a lone
 * backslash (a file path) loses nothing. `\C..\` and `\M..\`, which switch character sets, are gone by then (iso-2022.ts).
 */
import { decodeBytes, type Charset } from './charset.ts';
import type { Delimiters } from './delimiters.ts';

/** Text of raw text. `charset` decodes `\X..\`. */
export function unescapeText(raw: string, by: Delimiters, charset: Charset): string {
  const escape = by.escape;
  if (escape === undefined || !raw.includes(escape)) return raw;
  let out = '';
  let at = 0;
  for (;;) {
    const open = raw.indexOf(escape, at);
    const close = open < 0 ? -1 : raw.indexOf(escape, open + 1);
    if (close < 0) return out + raw.slice(at);
    const meaning = meaningOf(raw.slice(open + 1, close), by, charset);
    if (meaning === undefined) {
      // The closing character may itself open a sequence.
      out += raw.slice(at, close);
      at = close;
    } else {
      out += raw.slice(at, open) + meaning;
      at = close + 1;
    }
  }
}

/** Raw text of text: delimiters, escapes and line ends escaped. */
export function escapeText(text: string, by: Delimiters): string {
  const escape = by.escape ?? '\\';
  let out = '';
  for (const character of text) {
    if (character === escape) out += `${escape}E${escape}`;
    else if (character === by.field) out += `${escape}F${escape}`;
    else if (character === by.component) out += `${escape}S${escape}`;
    else if (character === by.repetition) out += `${escape}R${escape}`;
    else if (character === by.subcomponent) out += `${escape}T${escape}`;
    else if (character === '\r') out += `${escape}X0D${escape}`;
    else if (character === '\n') out += `${escape}X0A${escape}`;
    else out += character;
  }
  return out;
}

function meaningOf(sequence: string, by: Delimiters, charset: Charset): string | undefined {
  switch (sequence) {
    case 'F':
      return by.field;
    case 'S':
      return by.component;
    case 'T':
      return by.subcomponent;
    case 'R':
      return by.repetition;
    case 'E':
      return by.escape;
    case 'P':
      return by.truncation;
    case 'H':
    case 'N':
      return '';
    default:
      if (sequence.startsWith('X')) return hexadecimal(sequence.slice(1), charset);
      return sequence.startsWith('.') ? formatting(sequence.slice(1)) : undefined;
  }
}

function hexadecimal(digits: string, charset: Charset): string | undefined {
  if (digits.length === 0 || digits.length % 2 !== 0 || !/^[0-9A-Fa-f]+$/.test(digits)) return undefined;
  return decodeBytes(Buffer.from(digits, 'hex'), charset);
}

/** FT formatting commands (section 2.7.6): breaks become line ends, skips blanks, indents nothing. */
function formatting(command: string): string | undefined {
  const match = /^(br|sp|in|ti|sk|ce|fi|nf)\s*([+-]?\d{0,3})$/i.exec(command);
  if (match === null) return undefined;
  const count = Math.max(1, Number(match[2]) || 1);
  switch (match[1].toLowerCase()) {
    case 'br':
    case 'ce':
      return '\n';
    case 'sp':
      return '\n'.repeat(Math.min(count, 99));
    case 'sk':
      return ' '.repeat(Math.min(count, 99));
    default:
      return '';
  }
}
