/**
 * The archive of a log (docs/replication.md): one stream that a gateway exports and imports. Chunks of kind u8 ‖ length u32be
 * ‖ bytes: the signed checkpoint; the body of one add-entries request with its proofs; the log data; each blob by digest and
 * size, then its pieces; an end mark. The reader proves every part as a mirror does, while it streams.
 */
import { ByteReader } from '../core/byte-reader.ts';
import { u32be, u64be } from '../core/bytes.ts';
import { GatewayError } from '../core/errors.ts';
import { subtreeConsistencyProof } from '../ledger/consistency.ts';
import { leafEntry } from '../ledger/leaf.ts';
import { encodeAddEntriesHeader, encodePackage, packageRanges } from '../ledger/mirror-message.ts';
import { encodeAddCheckpoint } from '../ledger/witness-message.ts';
import type { CheckpointStore } from './accept-checkpoint.ts';
import type { Target } from './cosigner-client.ts';
import { dataStream, encodeFrame, readFrame } from './frames.ts';
import type { Mirror } from './mirror.ts';
import type { MissingBlob } from './mirror-ports.ts';
import type { OwnLog } from './own-log.ts';

const MAGIC = Buffer.from('anamnesis archive 1\n');
const KIND = { checkpoint: 0x63, entries: 0x65, data: 0x64, blob: 0x42, piece: 0x62, end: 0x7a } as const;
const CHUNK_MAX_BYTES = 32 * 1024 * 1024;
/** Packages in one chunk. */
const PACKAGES = 32;

export interface ArchiveSource {
  readonly origin: string;
  readonly log: OwnLog;
  /** Blobs in the order of the log. */
  readonly blobs: () => AsyncIterable<MissingBlob>;
  readonly readBlob: (digest: Buffer, size: number) => AsyncIterable<Buffer>;
  readonly withBlobs: boolean;
  readonly progress?: (leaves: number) => void;
}

function chunk(kind: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([kind]), u32be(length), ...parts]);
}

/** The archive of the log up to a checkpoint. */
export async function* exportArchive(source: ArchiveSource, target: Target): AsyncGenerator<Buffer, void> {
  yield MAGIC;
  yield chunk(KIND.checkpoint, Buffer.from(target.checkpoint));
  const { origin, log } = source;
  const hashes = log.hashes(target.size);
  let parts = [encodeAddEntriesHeader({ origin, start: 0, end: target.size, ticket: Buffer.alloc(0) })];
  for (const range of packageRanges(0, target.size)) {
    const entries = (await log.leafDigests(range.start, range.end)).map(leafEntry);
    parts.push(
      encodePackage(entries, await subtreeConsistencyProof(hashes, range.subtreeStart, range.end, target.size)),
    );
    if (parts.length < PACKAGES) continue;
    yield chunk(KIND.entries, ...parts);
    parts = [];
  }
  yield chunk(KIND.entries, ...parts);
  for await (const piece of dataStream(log, { from: 0, to: target.size, block: 0 })) yield chunk(KIND.data, piece);
  source.progress?.(target.size);
  if (source.withBlobs) {
    for await (const { digest, size } of source.blobs()) {
      yield chunk(KIND.blob, digest, u64be(size));
      for await (const piece of source.readBlob(digest, size)) yield chunk(KIND.piece, piece);
    }
  }
  yield chunk(KIND.end);
}

export interface ImportDeps {
  readonly mirror: Mirror;
  readonly pending: Pick<CheckpointStore, 'load'>;
  readonly origin: string;
  readonly progress?: (held: number) => void;
}

interface Chunk {
  readonly kind: number;
  readonly bytes: Buffer;
}

/**
 * Takes an archive into a mirror of the log; returns the size of its checkpoint. What is there already is passed over, so
 * that an import which was stopped goes on. Throws `invalid-syntax` for a cut or foreign file, `integrity` for a wrong one.
 */
export async function importArchive(deps: ImportDeps, reader: ByteReader): Promise<number> {
  const chunks = new Chunks(reader);
  await chunks.begin();
  const first = await chunks.take(KIND.checkpoint);
  if (first === undefined) throw broken();
  const before = await deps.pending.load(deps.origin);
  const note = first.toString();
  // The pending checkpoint of an import that was stopped is this very one.
  const answer =
    before.note === '' ? await deps.mirror.addCheckpoint(encodeAddCheckpoint(0, [], note)) : { status: 200 as const };
  if (answer.status !== 200) throw wrong('the checkpoint of the archive is not signed by the log key of this gateway');
  const entries = await deps.mirror.addEntries(chunks.all(KIND.entries));
  if (entries.status !== 200) throw wrong('the entries of the archive are not those of its checkpoint');
  const { held, nextBlock } = await deps.mirror.status(deps.origin);
  const outcome = await deps.mirror.addData(deps.origin, held, notYetHeld(chunks.all(KIND.data), held, nextBlock));
  if (outcome.kind === 'refused') throw wrong('the documents of the archive are not those of its entries');
  deps.progress?.(outcome.held);
  await importBlobs(deps, chunks);
  if ((await chunks.take(KIND.end))?.length !== 0 || !(await reader.ended())) throw broken();
  const { size } = await deps.pending.load(deps.origin);
  if (outcome.held < size) throw broken();
  return size;
}

async function importBlobs(deps: ImportDeps, chunks: Chunks): Promise<void> {
  for (;;) {
    const head = await chunks.take(KIND.blob);
    if (head === undefined) return;
    try {
      await deps.mirror.addBlob(deps.origin, head.subarray(0, 32), chunks.all(KIND.piece));
    } catch (thrown) {
      // Already here: its pieces are passed over.
      if (!(thrown instanceof GatewayError) || thrown.code !== 'not-found') throw thrown;
      for await (const _ of chunks.all(KIND.piece));
    }
  }
}

/** Drops the frames of what is held already. */
async function* notYetHeld(data: AsyncIterable<Buffer>, held: number, nextBlock: number): AsyncGenerator<Buffer> {
  if (held === 0) {
    yield* data;
    return;
  }
  const reader = new ByteReader(data);
  let leaf = 0;
  for (;;) {
    const frame = await readFrame(reader);
    if (typeof frame === 'string') return;
    if (frame.kind === 'document') leaf = frame.leaf;
    const wanted = frame.kind === 'block' ? frame.block.number >= nextBlock : leaf >= held;
    if (wanted) yield encodeFrame(frame);
  }
}

/** Chunks one after the other, with one in hand. */
class Chunks {
  readonly #reader: ByteReader;
  #next: Chunk | undefined;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  async begin(): Promise<void> {
    const magic = await this.#reader.read(MAGIC.length);
    if (magic === undefined || !magic.equals(MAGIC))
      throw new GatewayError('invalid-syntax', 'this is not an archive of a log');
  }

  async #peek(): Promise<Chunk> {
    if (this.#next !== undefined) return this.#next;
    const head = await this.#reader.read(5);
    const length = head?.readUInt32BE(1) ?? 0;
    const bytes = head === undefined || length > CHUNK_MAX_BYTES ? undefined : await this.#reader.read(length);
    if (head === undefined || bytes === undefined) throw broken();
    return (this.#next = { kind: head[0], bytes });
  }

  /** The next chunk if it is of this kind. */
  async take(kind: number): Promise<Buffer | undefined> {
    const next = await this.#peek();
    if (next.kind !== kind) return undefined;
    this.#next = undefined;
    return next.bytes;
  }

  /** The run of chunks of this kind. */
  async *all(kind: number): AsyncGenerator<Buffer, void> {
    for (;;) {
      const bytes = await this.take(kind);
      if (bytes === undefined) return;
      yield bytes;
    }
  }
}

function broken(): GatewayError {
  return new GatewayError('invalid-syntax', 'the archive is cut or damaged');
}

function wrong(message: string): GatewayError {
  return new GatewayError('integrity', message);
}
