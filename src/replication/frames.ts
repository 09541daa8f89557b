/**
 * The stream in which documents, sealed payloads and blocks travel between gateways and into archives (docs/replication.md).
 * Frames of kind u8 ‖ length u32be ‖ bytes, in the order of the leaves: each document, then its sealed payloads, and each
 * block behind its last leaf. Nothing in it is trusted: the receiver checks everything against entries and signatures.
 */
import type { ByteReader } from '../core/byte-reader.ts';
import { PAYLOADS_PER_MANIFEST } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import type { LogRows } from './mirror-ports.ts';

/** Media type of the stream. */
export const LOG_DATA = 'application/vnd.anamnesis.log-data';
/** Bytes of one frame: a document with 4,096 payloads and a full sealed part has 700 KB. */
export const FRAME_MAX_BYTES = 2 * 1024 * 1024;

const KIND = { document: 1, payload: 2, block: 3 } as const;
/** Rows read at once: as many as take about so many bytes. */
const PAGE = { bytes: 1024 * 1024, first: 256, least: 16, most: 2048 };
/** Bytes of one piece of the stream, about. */
const PIECE_BYTES = 512 * 1024;

export type Frame =
  | { readonly kind: 'document'; readonly leaf: number; readonly bytes: Buffer }
  | { readonly kind: 'payload'; readonly packed: Buffer }
  | { readonly kind: 'block'; readonly block: Block };

/** Bytes of kind and length. */
const HEAD_BYTES = 5;

export function encodeFrame(value: Frame): Buffer {
  return encodeFrames([value]);
}

/** Frames one after the other in one piece of memory: of small ones the memory would be the larger part of the work. */
function encodeFrames(frames: readonly Frame[]): Buffer {
  const lengths = frames.map(lengthOf);
  const piece = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + HEAD_BYTES + length, 0));
  let at = 0;
  frames.forEach((frame, i) => {
    piece[at] = KIND[frame.kind];
    at = writeBytes(frame, piece, piece.writeUInt32BE(lengths[i], at + 1));
  });
  return piece;
}

function lengthOf(frame: Frame): number {
  switch (frame.kind) {
    case 'document':
      return 8 + frame.bytes.length;
    case 'payload':
      return frame.packed.length;
    case 'block':
      return 48 + Buffer.byteLength(frame.block.checkpoint);
  }
}

/** Writes what follows a frame's length; returns where the next one begins. */
function writeBytes(frame: Frame, piece: Buffer, at: number): number {
  switch (frame.kind) {
    case 'document':
      piece.set(frame.bytes, writeCount(piece, frame.leaf, at));
      return at + 8 + frame.bytes.length;
    case 'payload':
      piece.set(frame.packed, at);
      return at + frame.packed.length;
    case 'block': {
      const { number, firstLeaf, prev, checkpoint } = frame.block;
      piece.set(prev, writeCount(piece, firstLeaf, writeCount(piece, number, at)));
      return at + 48 + piece.write(checkpoint, at + 48);
    }
  }
}

/** A u64be, without a BigInt. */
function writeCount(piece: Buffer, count: number, at: number): number {
  const high = Math.floor(count / 2 ** 32);
  return piece.writeUInt32BE(count - high * 2 ** 32, piece.writeUInt32BE(high, at));
}

/** The next frame; `end` where the stream ends between two frames, `cut` where it ends inside one, `malformed`. */
export async function readFrame(reader: ByteReader): Promise<Frame | 'end' | 'cut' | 'malformed'> {
  if (await reader.ended()) return 'end';
  if (!(await reader.fill(HEAD_BYTES))) return 'cut';
  const length = reader.peek(HEAD_BYTES)?.readUInt32BE(1) ?? 0;
  if (length > FRAME_MAX_BYTES) return 'malformed';
  return (await reader.fill(HEAD_BYTES + length)) ? (heldFrame(reader) ?? 'malformed') : 'cut';
}

/**
 * The next frame if all of it is in memory: most are, and waiting for each costs more than reading it. Undefined otherwise:
 * `readFrame` then waits, or says what is wrong.
 */
export function heldFrame(reader: ByteReader): Frame | 'malformed' | undefined {
  const head = reader.peek(HEAD_BYTES);
  if (head === undefined) return undefined;
  const length = head.readUInt32BE(1);
  if (length > FRAME_MAX_BYTES) return 'malformed';
  const bytes = reader.take(HEAD_BYTES + length);
  return bytes === undefined ? undefined : (decodeFrame(bytes[0], bytes.subarray(HEAD_BYTES)) ?? 'malformed');
}

function decodeFrame(kind: number, bytes: Buffer): Frame | undefined {
  switch (kind) {
    case KIND.document: {
      const leaf = safeU64(bytes, 0);
      return leaf === undefined ? undefined : { kind: 'document', leaf, bytes: bytes.subarray(8) };
    }
    case KIND.payload:
      return { kind: 'payload', packed: bytes };
    case KIND.block: {
      const number = safeU64(bytes, 0);
      const firstLeaf = safeU64(bytes, 8);
      if (number === undefined || firstLeaf === undefined || bytes.length < 48) return undefined;
      const checkpoint = bytes.toString('utf8', 48);
      const parsed = parseCheckpoint(checkpoint)?.checkpoint;
      if (parsed === undefined || !Buffer.from(checkpoint).equals(bytes.subarray(48))) return undefined;
      const { size, root } = parsed;
      return { kind: 'block', block: { number, firstLeaf, size, root, checkpoint, prev: bytes.subarray(16, 48) } };
    }
    default:
      return undefined;
  }
}

function safeU64(bytes: Buffer, at: number): number | undefined {
  if (bytes.length < at + 8) return undefined;
  const value = Number(bytes.readBigUInt64BE(at));
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What to send: leaves [from, to), and blocks from `block` on that end in them. */
export interface DataRange {
  readonly from: number;
  readonly to: number;
  readonly block: number;
}

/**
 * The stream of a range, read page by page, the next page while one is taken. Ends early where the rows end: what is not there
 * is not sent. One piece for each page of documents, of about a megabyte.
 */
export async function* dataStream(rows: LogRows, range: DataRange): AsyncGenerator<Buffer, void> {
  const documents = rowCursor(
    (from, limit) => rows.documents(from, Math.min(limit, range.to - from)),
    (row) => row.leaf,
    range.from,
    (row) => row.bytes.length,
  );
  const payloads = rowCursor(
    (from, limit) => rows.payloads(from, limit),
    (row) => row.group,
    range.from * PAYLOADS_PER_MANIFEST,
    (row) => row.packed?.length ?? 0,
  );
  const blocks = rowCursor(
    (from, limit) => rows.blocks(from, limit),
    (row) => row.number,
    range.block,
    (row) => row.checkpoint.length,
  );
  let leaf = range.from;
  let frames: Frame[] = [];
  let bytes = 0;
  const push = (frame: Frame): void => {
    frames.push(frame);
    bytes += HEAD_BYTES + lengthOf(frame);
  };
  while (leaf < range.to) {
    const document = documents.held() ?? (await documents.peek());
    if (document?.leaf !== leaf) break;
    documents.skip();
    push({ kind: 'document', leaf, bytes: document.bytes });
    leaf += 1;
    const bound = leaf * PAYLOADS_PER_MANIFEST;
    for (;;) {
      const payload = payloads.held() ?? (await payloads.peek());
      if (payload === undefined || payload.group >= bound) break;
      payloads.skip();
      if (payload.packed !== undefined) push({ kind: 'payload', packed: payload.packed });
    }
    for (;;) {
      const block = blocks.held() ?? (await blocks.peek());
      if (block === undefined || block.size > leaf) break;
      push({ kind: 'block', block });
      blocks.skip();
    }
    if (bytes < PIECE_BYTES) continue;
    yield encodeFrames(frames);
    frames = [];
    bytes = 0;
  }
  if (frames.length > 0) yield encodeFrames(frames);
}

interface Cursor<Row> {
  /** The next row if it is in memory. */
  held(): Row | undefined;
  /** The next row; undefined at the end. */
  peek(): Promise<Row | undefined>;
  skip(): void;
}

/** Walks rows page by page; a page is as many rows as take about PAGE_BYTES, by those before. */
function rowCursor<Row>(
  fetch: (from: number, limit: number) => Promise<readonly Row[]>,
  key: (row: Row) => number,
  from: number,
  bytesOf: (row: Row) => number,
): Cursor<Row> {
  let limit = PAGE.first;
  let page: readonly Row[] = [];
  let at = 0;
  const ask = (next: number): Promise<readonly Row[]> => {
    const asked = fetch(next, limit);
    // Taken later: until then nobody hears of its failure.
    asked.catch(() => {});
    return asked;
  };
  let ahead: Promise<readonly Row[]> | undefined = ask(from);
  const peek = async (): Promise<Row | undefined> => {
    if (at >= page.length && ahead !== undefined) {
      page = await ahead;
      at = 0;
      const last = page.at(-1);
      const bytes = page.reduce((sum, row) => sum + bytesOf(row), 0);
      limit = Math.max(PAGE.least, Math.min(PAGE.most, Math.floor((PAGE.bytes * page.length) / (bytes + 1))));
      ahead = last === undefined ? undefined : ask(key(last) + 1);
    }
    return page[at];
  };
  return {
    held: () => page[at],
    peek,
    skip() {
      at += 1;
    },
  };
}
