/**
 * The lossless, lazy tokenizer of HL7 v2 (ER7 encoding, section 2.6). A message is its bytes, its text and its segments;
 * a segment is split into fields when the first is read, a field into components by whoever reads it. Nothing is
 * normalised: joining the parts gives the text back, and `bytes` are the input.
 *
 * Segments end with CR; LF and CRLF are taken as well. Inside of a message that uses CR, a lone LF ends a segment only
 * when a segment identifier follows, since senders put line feeds into texts.
 */
import { GatewayError } from '../../core/errors.ts';
import { byteOrderMark, charsetOf, decodeOrThrow, type Charset } from './charset.ts';
import { parseDelimiters, type Delimiters } from './delimiters.ts';
import { isWide, narrow } from './wide-charset.ts';

/** One segment. A class because it holds its fields, which are split on first use. */
export class Segment {
  /** Three characters: `PID`, `ZAB`. */
  readonly id: string;
  /** The whole segment without its terminator. */
  readonly text: string;
  /** What ended it: CR, LF, CRLF, several of them, blank lines, or nothing at the end of the message. */
  readonly terminator: string;
  readonly #separator: string;
  #fields: readonly string[] | undefined;

  constructor(text: string, terminator: string, separator: string) {
    this.id = text.slice(0, 3);
    this.text = text;
    this.terminator = terminator;
    this.#separator = separator;
  }

  /**
   * Raw text of field `n`, numbered as the standard does (MSH-1 is the separator itself); the empty string when it is
   * empty or absent.
   */
  field(n: number): string {
    const fields = (this.#fields ??= this.text.split(this.#separator));
    if (this.id === 'MSH' || this.id === 'FHS' || this.id === 'BHS') {
      return n === 1 ? this.#separator : (fields[n - 1] ?? '');
    }
    return fields[n] ?? '';
  }

  /** Number of the last field that is there. */
  get fieldCount(): number {
    const fields = (this.#fields ??= this.text.split(this.#separator));
    return this.id === 'MSH' || this.id === 'FHS' || this.id === 'BHS' ? fields.length : fields.length - 1;
  }
}

export interface Hl7Message {
  /** The message as it came, byte order mark and all. */
  readonly bytes: Buffer;
  /** Its characters, without a byte order mark and sequences that switch the character set. */
  readonly text: string;
  /** What stands before MSH: blanks and controls, mostly nothing. With the segments and their terminators it is the text. */
  readonly lead: string;
  readonly charset: Charset;
  readonly delimiters: Delimiters;
  /** In order; the first is MSH. */
  readonly segments: readonly Segment[];
  readonly msh: Segment;
}

const CR = 0x0d;
const LF = 0x0a;
/** Bytes in which MSH is looked for where the message cannot be parsed. */
const HEADER_BYTES = 16_384;
const SEGMENT_ID = /^[A-Z][A-Z0-9]{2}$/;
/** What says something. Senders put NULs, blanks and the end mark of old systems (1A) around their messages. */
// oxlint-disable-next-line no-control-regex -- controls are what it leaves out
const NOT_BLANK = /[^\u0000-\u0020]/;

/** How the messages of a source are decoded. */
export interface CharsetRule {
  /** Where MSH-18 is empty. */
  readonly charset: Charset;
  /** What the source means by what it writes in MSH-18, where that is not what the standard means by it. */
  readonly charsets?: Readonly<Record<string, Charset>>;
}

/**
 * Parses one message. Throws `invalid-syntax` (no MSH, bad delimiters,
 * a line that is not a segment) and `invalid-charset`. The bytes are kept, not copied: the caller must not change them.
 */
export function parseHl7v2(bytes: Buffer, rule: CharsetRule): Hl7Message {
  const mark = byteOrderMark(bytes);
  const body = mark === undefined ? bytes : bytes.subarray(mark.length);
  const { text, charset } = decodeOrThrow(body, mark ? [mark.charset] : declaredCharsets(body, rule));
  return parseText(text, bytes, charset);
}

function parseText(text: string, bytes: Buffer, charset: Charset): Hl7Message {
  const start = text.search(NOT_BLANK);
  if (start < 0 || !text.startsWith('MSH', start) || text.length < start + 5) {
    throw new GatewayError('invalid-syntax', 'the message does not begin with an MSH segment', { expression: 'MSH' });
  }
  const lead = text.slice(0, start);
  const body = start === 0 ? text : text.slice(start);
  const field = body[3];
  const encodingEnd = body.slice(4, 10).search(new RegExp(`[\\r\\n\\${field}]`));
  const delimiters = parseDelimiters(field, body.slice(4, encodingEnd < 0 ? 10 : 4 + encodingEnd));
  const segments = splitSegments(body, field);
  return { bytes, text, lead, charset, delimiters, segments, msh: segments[0] };
}

/** Splits text into segments. Throws `invalid-syntax` for a line that has no segment identifier. */
function splitSegments(text: string, separator: string): Segment[] {
  const segments: Segment[] = [];
  const usesCr = text.includes('\r');
  const usesLf = text.includes('\n');
  let start = 0;
  while (start < text.length) {
    let end = lineEnd(text, start, usesCr, usesLf);
    // A lone LF inside of a CR message is content unless a segment begins behind it.
    while (usesCr && text.charCodeAt(end) === LF && end + 1 < text.length && !beginsSegment(text, end + 1, separator)) {
      end = lineEnd(text, end + 1, usesCr, usesLf);
    }
    let next = end;
    while (text.charCodeAt(next) === CR || text.charCodeAt(next) === LF) next++;
    const segment = new Segment(text.slice(start, end), text.slice(end, next), separator);
    start = next;
    const before = segments.at(-1);
    if (SEGMENT_ID.test(segment.id) && (segment.text.length === 3 || segment.text[3] === separator)) {
      if (segment.id === 'MSH' && before !== undefined) {
        throw new GatewayError('invalid-syntax', 'another message begins inside of this one; send one a frame', {
          expression: 'MSH[2]',
        });
      }
      segments.push(segment);
    } else if (before !== undefined && !NOT_BLANK.test(segment.text)) {
      const terminator = before.terminator + segment.text + segment.terminator;
      segments[segments.length - 1] = new Segment(before.text, terminator, separator);
    } else {
      throw new GatewayError('invalid-syntax', `line ${segments.length + 1} of the message is not a segment`, {
        expression: `${before?.id ?? 'MSH'}`,
      });
    }
  }
  return segments;
}

function lineEnd(text: string, from: number, usesCr: boolean, usesLf: boolean): number {
  const cr = usesCr ? text.indexOf('\r', from) : -1;
  const limit = cr < 0 ? text.length : cr;
  if (!usesLf) return limit;
  // Searching for LF only inside the line keeps this linear.
  const lf = usesCr ? text.slice(from, limit).indexOf('\n') : text.indexOf('\n', from);
  if (lf < 0) return limit;
  return usesCr ? from + lf : lf;
}

/** True when a segment identifier and its separator, or a line end, stand at `at`. */
function beginsSegment(text: string, at: number, separator: string): boolean {
  const code = text.charCodeAt(at);
  if (code === CR || code === LF) return true;
  const after = text.charCodeAt(at + 3);
  return (
    SEGMENT_ID.test(text.slice(at, at + 3)) &&
    (text[at + 3] === separator || after === CR || after === LF || Number.isNaN(after))
  );
}

/**
 * MSH-18, read from the bytes before they can be decoded: the first set reads them, another where it cannot (senders that write
 * `ASCII~8859/1` rarely switch). Sets that only follow, and that we do not know, are passed over.
 */
function declaredCharsets(bytes: Buffer, { charset, charsets = {} }: CharsetRule): readonly Charset[] {
  const fields = rawHeader(bytes)?.fields;
  const codes = (fields?.[17] ?? '')
    .split(fields?.[1]?.[1] ?? '~')
    .map((repetition) => repetition.trim())
    .filter((code) => code !== '' && code !== '""');
  if (codes.length === 0) return [charset];
  const [first, ...others] = codes.map((code) => (Object.hasOwn(charsets, code) ? charsets[code] : charsetOf(code)));
  if (first === undefined) {
    throw new GatewayError(
      'invalid-charset',
      'MSH-18 names a character set that cannot be decoded here; UNICODE UTF-8 can, and a source may say what it means (charsets)',
      { expression: 'MSH-18' },
    );
  }
  // We could read MSH byte by byte: whatever it says, the message is not UTF-16 or UTF-32.
  return [first, ...others.filter((one) => one !== undefined)].map((one) => (isWide(one) ? 'utf-8' : one));
}

/** The MSH segment before anything is decoded. */
export interface RawHeader {
  /** MSH-1. */
  readonly separator: string;
  /** Latin-1 text of the bytes. Index 0 is `MSH`, index 1 is MSH-2. */
  readonly fields: readonly string[];
}

/**
 * The MSH segment, whatever follows it: for finding the character set, and for answering a message that cannot be parsed.
 * Undefined when the bytes do not begin with MSH.
 */
export function rawHeader(bytes: Buffer): RawHeader | undefined {
  const mark = byteOrderMark(bytes);
  const head = bytes.subarray(mark?.length ?? 0, HEADER_BYTES);
  const latin1 = mark !== undefined && isWide(mark.charset) ? narrow(head, mark.charset) : head;
  let start = 0;
  while (latin1[start] <= 0x20) start++;
  if (latin1[start] !== 0x4d || latin1[start + 1] !== 0x53 || latin1[start + 2] !== 0x48) return undefined;
  let end = start + 3;
  while (end < latin1.length && latin1[end] !== CR && latin1[end] !== LF) end++;
  const text = latin1.toString('latin1', start, end);
  return text.length < 4 ? undefined : { separator: text[3], fields: text.split(text[3]) };
}
