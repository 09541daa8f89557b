/**
 * The body of add-entries and the mirror-info answer (C2SP tlog-mirror): a header, then packages of at most 256 entries,
 * each with the proof that its subtree is part of the checkpoint, so that a mirror authenticates and stores one package
 * after the other. Pure encoding and reading; what a mirror does with it stands in `replication/mirror`.
 */
import type { ByteReader } from '../core/byte-reader.ts';
import { u64be } from '../core/bytes.ts';
import { HASH_BYTES } from './merkle.ts';
import { fromBase64 } from './note.ts';
import { encodeEntryBundle, TILE_WIDTH } from './tile.ts';
import { parseSize, PROOF_MAX_HASHES } from './witness-message.ts';

/** "Clients SHOULD limit each add-entries request to at most 32 entry packages." */
export const PACKAGES_PER_REQUEST = 32;
/** Media type of the 202 and 409 answers. */
export const MIRROR_INFO = 'text/x.tlog.mirror-info';
const TICKET_MAX_BYTES = 65_535;
const ORIGIN_MAX_BYTES = 65_535;

export interface AddEntriesHeader {
  readonly origin: string;
  /** First entry that is uploaded. */
  readonly start: number;
  /** Size of the pending checkpoint that the proofs lead to. */
  readonly end: number;
  readonly ticket: Buffer;
}

/** What one package covers. */
export interface PackageRange {
  /** A multiple of 256: where the subtree of the proof begins. */
  readonly subtreeStart: number;
  /** The entries [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface EntryPackage extends PackageRange {
  readonly entries: readonly Buffer[];
  /** Consistency proof of the subtree [subtreeStart, end), 32 bytes each. */
  readonly proof: readonly Buffer[];
}

/** The canonical sequence of packages of an upload, in order. */
export function* packageRanges(start: number, end: number): Generator<PackageRange, void> {
  for (let at = start; at < end;) {
    const subtreeStart = at - (at % TILE_WIDTH);
    const until = Math.min(end, subtreeStart + TILE_WIDTH);
    yield { subtreeStart, start: at, end: until };
    at = until;
  }
}

/** RangeError when origin or ticket are longer than their length fields can say. */
export function encodeAddEntriesHeader(header: AddEntriesHeader): Buffer {
  const origin = Buffer.from(header.origin);
  if (origin.length > ORIGIN_MAX_BYTES || header.ticket.length > TICKET_MAX_BYTES)
    throw new RangeError('origin or ticket too long');
  const { ticket } = header;
  return Buffer.concat([
    u16be(origin.length),
    origin,
    u64be(header.start),
    u64be(header.end),
    u16be(ticket.length),
    ticket,
  ]);
}

/** Reads the header; undefined when it is malformed or cut. */
export async function readAddEntriesHeader(reader: ByteReader): Promise<AddEntriesHeader | undefined> {
  const origin = await readShort(reader, ORIGIN_MAX_BYTES);
  const numbers = typeof origin !== 'object' ? undefined : await reader.read(16);
  const ticket = numbers === undefined ? undefined : await readShort(reader, TICKET_MAX_BYTES);
  if (typeof origin !== 'object' || numbers === undefined || typeof ticket !== 'object') return undefined;
  const start = Number(numbers.readBigUInt64BE(0));
  const end = Number(numbers.readBigUInt64BE(8));
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start > end) return undefined;
  return { origin: origin.toString(), start, end, ticket };
}

/** One package's bytes. RangeError for an entry above 65,535 bytes or more than 63 hashes. */
export function encodePackage(entries: readonly Uint8Array[], proof: readonly Uint8Array[]): Buffer {
  if (proof.length > PROOF_MAX_HASHES) throw new RangeError('a subtree consistency proof has at most 63 hashes');
  return Buffer.concat([encodeEntryBundle(entries), Buffer.from([proof.length]), ...proof]);
}

/**
 * Reads the package of a range; undefined when the stream ends in it or its proof is too long. `too-long` at the first entry
 * above `entryMaxBytes`, before its bytes are read: nobody who may send anything here makes a mirror hold 16 MB a request.
 */
export async function readPackage(
  reader: ByteReader,
  range: PackageRange,
  entryMaxBytes: number,
): Promise<EntryPackage | 'too-long' | undefined> {
  const entries: Buffer[] = [];
  for (let at = range.start; at < range.end; at += 1) {
    const entry = await readShort(reader, entryMaxBytes);
    if (typeof entry !== 'object') return entry;
    entries.push(entry);
  }
  const count = (await reader.read(1))?.[0];
  if (count === undefined || count > PROOF_MAX_HASHES) return undefined;
  const hashes = await reader.read(count * HASH_BYTES);
  if (hashes === undefined) return undefined;
  const proof = Array.from({ length: count }, (_, i) => hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
  return { ...range, entries, proof };
}

/** What a mirror says of its state: 202 and 409. */
export interface MirrorInfo {
  /** Size of a valid pending checkpoint. */
  readonly size: number;
  /** First entry that the mirror does not have. */
  readonly next: number;
  readonly ticket: Buffer;
}

export function encodeMirrorInfo(info: MirrorInfo): string {
  return `${info.size}\n${info.next}\n${info.ticket.toString('base64')}\n`;
}

/** Undefined when the body is malformed. */
export function parseMirrorInfo(body: string): MirrorInfo | undefined {
  const [sizeText = '', nextText = '', ticketText, end, ...more] = body.split('\n');
  if (ticketText === undefined || end !== '' || more.length > 0) return undefined;
  const [size, next, ticket] = [parseSize(sizeText), parseSize(nextText), fromBase64(ticketText)];
  if (size === undefined || next === undefined || ticket === undefined || ticket.length > TICKET_MAX_BYTES)
    return undefined;
  return { size, next, ticket };
}

function u16be(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** A uint16 length and that many bytes; undefined when the stream ends before. */
async function readShort(reader: ByteReader, maxBytes: number): Promise<Buffer | 'too-long' | undefined> {
  const length = reader.take(2) ?? (await reader.read(2));
  if (length === undefined) return undefined;
  const size = length.readUInt16BE(0);
  if (size > maxBytes) return 'too-long';
  return reader.take(size) ?? (await reader.read(size));
}
