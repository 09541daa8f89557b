/**
 * The stream in which documents, sealed payloads and blocks travel between gateways and into archives (docs/replication.md).
 * Frames of kind u8 ‖ length u32be ‖ bytes, in the order of the leaves: each document, then its sealed payloads, and each
 * block behind its last leaf. Nothing in it is trusted: the receiver checks everything against entries and signatures.
 */
import type { ByteReader } from '../core/byte-reader.ts';
import { u32be, u64be } from '../core/bytes.ts';
import { PAYLOADS_PER_MANIFEST } from '../core/ids.ts';
import type { Block } from '../ledger/block.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import type { LogRows } from './mirror-ports.ts';

/** Media type of the stream. */
export const LOG_DATA = 'application/vnd.anamnesis.log-data';
/** Bytes of one frame: a document with 4,096 payloads and a full sealed part has 700 KB. */
export const FRAME_MAX_BYTES = 2 * 1024 * 1024;

const KIND = { document: 1, payload: 2, block: 3 } as const;
const PAGE = 256;

export type Frame =
  | { readonly kind: 'document'; readonly leaf: number; readonly bytes: Buffer }
  | { readonly kind: 'payload'; readonly packed: Buffer }
  | { readonly kind: 'block'; readonly block: Block };

function frame(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([kind]), u32be(length), ...parts]);
}

export function encodeFrame(value: Frame): Buffer {
  switch (value.kind) {
    case 'document':
      return frame(KIND.document, u64be(value.leaf), value.bytes);
    case 'payload':
      return frame(KIND.payload, value.packed);
    case 'block': {
      const { number, firstLeaf, prev, checkpoint } = value.block;
      return frame(KIND.block, u64be(number), u64be(firstLeaf), prev, Buffer.from(checkpoint));
    }
  }
}

/** The next frame; `end` where the stream ends between two frames, `cut` where it ends inside one, `malformed`. */
export async function readFrame(reader: ByteReader): Promise<Frame | 'end' | 'cut' | 'malformed'> {
  if (await reader.ended()) return 'end';
  const head = await reader.read(5);
  if (head === undefined) return 'cut';
  const length = head.readUInt32BE(1);
  if (length > FRAME_MAX_BYTES) return 'malformed';
  const bytes = await reader.read(length);
  return bytes === undefined ? 'cut' : (decodeFrame(head[0], bytes) ?? 'malformed');
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
 * The stream of a range, read page by page as it is taken. Ends early where the rows end: what is not there is not sent. One
 * piece for each page, of some hundred kilobytes.
 */
export async function* dataStream(rows: LogRows, range: DataRange): AsyncGenerator<Buffer, void> {
  const payloads = rowCursor(
    (from) => rows.payloads(from, PAGE),
    (row) => row.group,
    range.from * PAYLOADS_PER_MANIFEST,
  );
  const blocks = rowCursor(
    (from) => rows.blocks(from, PAGE),
    (row) => row.number,
    range.block,
  );
  let leaf = range.from;
  while (leaf < range.to) {
    const page = await rows.documents(leaf, Math.min(PAGE, range.to - leaf));
    const frames: Buffer[] = [];
    for (const document of page) {
      if (document.leaf !== leaf) break;
      frames.push(encodeFrame({ kind: 'document', leaf, bytes: document.bytes }));
      leaf += 1;
      for (;;) {
        const payload = await payloads.takeBelow(leaf * PAYLOADS_PER_MANIFEST);
        if (payload === undefined) break;
        if (payload.packed !== undefined) frames.push(encodeFrame({ kind: 'payload', packed: payload.packed }));
      }
      for (;;) {
        const block = await blocks.peek();
        if (block === undefined || block.size > leaf) break;
        frames.push(encodeFrame({ kind: 'block', block }));
        blocks.skip();
      }
    }
    if (frames.length === 0) return;
    yield Buffer.concat(frames);
  }
}

interface Cursor<Row> {
  peek(): Promise<Row | undefined>;
  skip(): void;
  /** The next row if its key is below the bound. */
  takeBelow(bound: number): Promise<Row | undefined>;
}

function rowCursor<Row>(
  fetch: (from: number) => Promise<readonly Row[]>,
  key: (row: Row) => number,
  from: number,
): Cursor<Row> {
  let next = from;
  let page: readonly Row[] = [];
  let at = 0;
  let ended = false;
  const peek = async (): Promise<Row | undefined> => {
    if (at >= page.length && !ended) {
      page = await fetch(next);
      at = 0;
      ended = page.length === 0;
      const last = page.at(-1);
      if (last !== undefined) next = key(last) + 1;
    }
    return page[at];
  };
  return {
    peek,
    skip() {
      at += 1;
    },
    async takeBelow(bound) {
      const row = await peek();
      if (row === undefined || key(row) >= bound) return undefined;
      at += 1;
      return row;
    },
  };
}
