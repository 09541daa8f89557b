/**
 * Batch files (HL7 v2 section 2.10.3): FHS, one or several BHS .. BTS, FTS, and files that are just messages one after another. Works
 * on bytes, so that one message in a wrong character set does not sink its batch. Whole in memory (`splitBatch`), or of any size
 * in pieces (`BatchReader`).
 */

import { wideCharsetOf } from './wide-charset.ts';

/** One BHS .. BTS; messages outside of any are a batch of their own without header. */
export interface Batch {
  /** Raw BHS segment. */
  readonly header: Buffer | undefined;
  /** Messages that came. */
  readonly count: number;
  /** BTS-1; undefined when it gives none. */
  readonly declared: number | undefined;
}

export interface BatchFile<B extends Batch = Batch> {
  /** Raw FHS segment; of several the first. */
  readonly header: Buffer | undefined;
  readonly batches: readonly B[];
  /** Sum of FTS-1; undefined when none gives one. */
  readonly declared: number | undefined;
  /** True when there is an FHS, BHS, BTS or FTS segment. */
  readonly envelope: boolean;
}

/** A batch with its messages, each from its MSH to its last segment, as slices of the input. */
export interface SplitBatch extends Batch {
  readonly messages: readonly Buffer[];
}

const CR = 0x0d;
const LF = 0x0a;

/** Which batches did not come as their trailers say: positions; `all` where FTS-1 counts other than the batches. */
export function damagedBatches({ batches, declared }: BatchFile): 'all' | ReadonlySet<number> {
  if (declared !== undefined && declared !== batches.length) return 'all';
  return new Set(
    batches.flatMap((batch, i) => (batch.declared === undefined || batch.declared === batch.count ? [] : [i])),
  );
}

/** True for bytes with a segment of an envelope in front, or with more than one message. Two searches of native speed where there is none. */
export function isBatch(bytes: Buffer): boolean {
  const start = firstLine(bytes);
  const id = segmentAt(bytes, start);
  if (id === 'FHS' || id === 'BHS') return true;
  for (const end of ['\rMSH', '\nMSH']) {
    for (let at = bytes.indexOf(end, start); at >= 0; at = bytes.indexOf(end, at + 1))
      if (segmentAt(bytes, at + 1) === 'MSH') return true;
  }
  return false;
}

/** Counts what comes, by its trailers. A class because it holds where it is. */
export class BatchTally {
  #header: Buffer | undefined;
  #declared: number | undefined;
  #envelope = false;
  readonly #batches: { header: Buffer | undefined; count: number; declared: number | undefined; open: boolean }[] = [];

  /** A segment of the envelope: its identifier is FHS, BHS, BTS or FTS. */
  segment(raw: Buffer): void {
    this.#envelope = true;
    switch (raw.toString('latin1', 0, 3)) {
      case 'FHS':
        this.#header ??= raw;
        this.#close();
        break;
      case 'BHS':
        this.#close();
        this.#batches.push({ header: raw, count: 0, declared: undefined, open: true });
        break;
      case 'BTS': {
        const batch = this.#open();
        batch.declared = countOf(raw);
        batch.open = false;
        break;
      }
      case 'FTS': {
        this.#close();
        const count = countOf(raw);
        if (count !== undefined) this.#declared = (this.#declared ?? 0) + count;
        break;
      }
    }
  }

  /** A message; the position of its batch. */
  message(): number {
    this.#open().count += 1;
    return this.#batches.length - 1;
  }

  result(): BatchFile {
    const batches = this.#batches.map(({ header, count, declared }) => ({ header, count, declared }));
    return { header: this.#header, batches, declared: this.#declared, envelope: this.#envelope };
  }

  #open(): { count: number; declared: number | undefined; open: boolean } {
    const last = this.#batches.at(-1);
    if (last?.open === true) return last;
    const batch = { header: undefined, count: 0, declared: undefined, open: true };
    this.#batches.push(batch);
    return batch;
  }

  #close(): void {
    const last = this.#batches.at(-1);
    if (last !== undefined) last.open = false;
  }
}

/** FTS-1 and BTS-1, behind the separator that the segment uses. */
function countOf(raw: Buffer): number | undefined {
  const count = /^\d{1,10}/.exec(raw.toString('latin1', 4, 15))?.[0];
  return count === undefined ? undefined : Number(count);
}

/** Splits bytes into messages. What stands before the first MSH and is no envelope segment is ignored. */
export function splitBatch(bytes: Buffer): BatchFile<SplitBatch> & { readonly messages: readonly Buffer[] } {
  const tally = new BatchTally();
  const found: { readonly batch: number; readonly message: Buffer }[] = [];
  let open: { readonly batch: number; readonly start: number } | undefined;
  const close = (end: number): void => {
    if (open !== undefined) found.push({ batch: open.batch, message: bytes.subarray(open.start, end) });
    open = undefined;
  };
  for (const { id, start, end } of lines(bytes)) {
    if (id === 'MSH') {
      close(start);
      // A byte order mark belongs to its message, whose decoder reads it.
      open = { batch: tally.message(), start };
    } else if (id !== undefined) {
      close(start);
      tally.segment(bytes.subarray(behindMark(bytes, start), end));
    }
  }
  close(bytes.length);
  const { batches, ...file } = tally.result();
  const messages = batches.map((): Buffer[] => []);
  for (const { batch, message } of found) messages[batch].push(message);
  return {
    ...file,
    batches: batches.map((batch, i) => ({ ...batch, messages: messages[i] })),
    messages: found.map(({ message }) => message),
  };
}

/** Where the first line begins: behind blanks and controls that a sender put before it, at its byte order mark. */
function firstLine(bytes: Buffer): number {
  let start = 0;
  while (bytes[start] <= 0x20) start++;
  return start;
}

/** Where a line begins behind a byte order mark: files of several that were put together have one at each. */
function behindMark(bytes: Buffer, start: number): number {
  return bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf ? start + 3 : start;
}

type EnvelopeId = 'MSH' | 'FHS' | 'BHS' | 'BTS' | 'FTS';

/** What begins a message or belongs to an envelope at this place, behind a byte order mark; a line of text may begin with the same letters. */
function segmentAt(bytes: Buffer, start: number): EnvelopeId | undefined {
  const at = behindMark(bytes, start);
  const id = bytes.toString('latin1', at, at + 3);
  const after = bytes.toString('latin1', at + 3, at + 4);
  switch (id) {
    case 'MSH':
    case 'FHS':
    case 'BHS':
      return /[!-/:-@[-`{-~]/.test(after) ? id : undefined;
    case 'BTS':
    case 'FTS':
      return /[!-/:-@[-`{-~\r\n]|^$/.test(after) ? id : undefined;
    default:
      return undefined;
  }
}

function* lines(
  bytes: Buffer,
): Generator<{ readonly id: EnvelopeId | undefined; readonly start: number; readonly end: number }> {
  for (let start = firstLine(bytes); start < bytes.length;) {
    let end = start;
    while (end < bytes.length && bytes[end] !== CR && bytes[end] !== LF) end++;
    if (end > start) yield { id: segmentAt(bytes, start), start, end };
    start = end + 1;
  }
}

/** What a piece of a file completed. */
export type BatchPiece =
  | { readonly kind: 'message'; /** Position of its batch. */ readonly batch: number; readonly bytes: Buffer }
  /** A message of more bytes than `maxBytes`; it is skipped. */
  | { readonly kind: 'too-large'; readonly batch: number }
  /** Half a message, of a recording. */
  | { readonly kind: 'cut-off'; readonly batch: number };

/** Reads a file in pieces: memory is that of one message, whatever the size of the file. A class because it holds that message. */
export class BatchReader {
  readonly #maxBytes: number;
  readonly #tally = new BatchTally();
  #open: { readonly batch: number; readonly parts: Buffer[]; size: number } | undefined;
  /** The line that has begun, in pieces. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  /** Nothing but blanks so far. */
  #first = true;
  #isWide = false;
  /** The next piece goes on with a line that was given up. */
  #continues = false;

  /** `maxBytes`: of one message. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Takes the next piece. It is kept until its messages are complete: the caller must not reuse it. */
  *push(chunk: Buffer): Generator<BatchPiece> {
    // UTF-16 and UTF-32 are not looked through: such a file is one message.
    if (this.#first && wideCharsetOf(chunk) !== undefined) {
      this.#isWide = true;
      this.#first = false;
      this.#open = { batch: this.#tally.message(), parts: [], size: 0 };
    }
    if (this.#isWide) return this.#keep(chunk);
    for (let at = 0; at < chunk.length;) {
      let end = at;
      while (end < chunk.length && chunk[end] !== CR && chunk[end] !== LF) end++;
      const ended = end < chunk.length;
      this.#line.push(chunk.subarray(at, ended ? end + 1 : end));
      this.#lineBytes += end - at;
      // A line that is longer than any message is given up as part of one that is too large.
      if (ended || this.#lineBytes > this.#maxBytes) {
        yield* this.#endLine();
        this.#continues = !ended;
      }
      at = end + 1;
    }
  }

  /** A message of which the bytes are not to be had. */
  lost(kind: 'too-large' | 'cut-off'): BatchPiece {
    return { kind, batch: this.#tally.message() };
  }

  /** The file, or one frame of it, is over. */
  *end(): Generator<BatchPiece> {
    yield* this.#endLine();
    yield* this.#close();
  }

  /** What the trailers said; after `end`. */
  result(): BatchFile {
    return this.#tally.result();
  }

  *#endLine(): Generator<BatchPiece> {
    const line = this.#line.length === 1 ? this.#line[0] : Buffer.concat(this.#line);
    this.#line = [];
    this.#lineBytes = 0;
    const start = this.#first ? firstLine(line) : 0;
    if (start < line.length) this.#first = false;
    const id = this.#continues ? undefined : segmentAt(line, start);
    if (id === 'MSH') {
      yield* this.#close();
      // A byte order mark belongs to its message, whose decoder reads it.
      this.#open = { batch: this.#tally.message(), parts: [], size: 0 };
    } else if (id !== undefined) {
      yield* this.#close();
      this.#tally.segment(line.subarray(behindMark(line, start)));
    }
    this.#keep(start === 0 ? line : line.subarray(start));
  }

  #keep(part: Buffer): void {
    const open = this.#open;
    if (open === undefined) return;
    open.size += part.length;
    if (open.size > this.#maxBytes) open.parts.length = 0;
    else open.parts.push(part);
  }

  *#close(): Generator<BatchPiece> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    const { batch, parts, size } = open;
    if (size > this.#maxBytes) yield { kind: 'too-large', batch };
    else yield { kind: 'message', batch, bytes: Buffer.concat(parts, size) };
  }
}
