/**
 * Pulling a log into the own mirror: from its origin, or from another mirror of it. Fetches the checkpoint, the entry bundles
 * and, through the tiles, the proofs that the mirror wants of everybody; then documents, sealed payloads and blocks, and the
 * blobs. Everything goes through the mirror's own checks, so that the source need not be trusted. May stop anywhere and go on.
 */
import { GatewayError } from '../core/errors.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import { consistencyProof, subtreeConsistencyProof } from '../ledger/consistency.ts';
import {
  encodeAddEntriesHeader,
  encodePackage,
  packageRanges,
  PACKAGES_PER_REQUEST,
  type PackageRange,
} from '../ledger/mirror-message.ts';
import { verifyNote, type VerifierKey } from '../ledger/note.ts';
import { decodeEntryBundle, TILE_WIDTH, tilePath, widthAt } from '../ledger/tile.ts';
import { tileHashReader } from '../ledger/tile-source.ts';
import type { HashReader } from '../ledger/tree-range.ts';
import { encodeAddCheckpoint } from '../ledger/witness-message.ts';
import type { CheckpointStore } from './accept-checkpoint.ts';
import type { Mirror } from './mirror.ts';
import type { OpenResponse, PeerHttp } from './peer-ports.ts';

export interface PullDeps {
  readonly http: PeerHttp;
  /** Prefix of the source: of a log, or of a mirrored log at a mirror. */
  readonly url: string;
  readonly origin: string;
  readonly logKeys: readonly VerifierKey[];
  /** `Authorization` for documents, payloads and blobs. */
  readonly authorization: () => string;
  readonly mirror: Mirror;
  readonly pending: Pick<CheckpointStore, 'load'>;
  readonly deadlineMs: number;
  readonly withBlobs: boolean;
  /** True: documents and payloads may come packed: less on the line, more work at both ends. */
  readonly packed?: boolean;
  readonly progress?: (progress: PullProgress) => void;
}

export interface PullProgress {
  /** Size of the checkpoint that is pulled. */
  readonly size: number;
  readonly entries: number;
  readonly documents: number;
  /** Blobs that are still missing, at most 1,000. */
  readonly blobs: number;
}

const TILE_MAX_BYTES = 64 * 1024;
const CHECKPOINT_MAX_BYTES = 512 * 1024;
/** Faults in a row without a byte between them after which a blob is given up, and the pause before each but the first. */
const BLOB_FAULTS = 5;
const BLOB_PAUSE_MS = 100;

/** Brings the own mirror up to the source's checkpoint; returns its size. Throws what is wrong with source or store. */
export async function pullLog(deps: PullDeps): Promise<number> {
  const { note, size } = await fetchCheckpoint(deps);
  const hashes = tileHashReader(size, (level, index, width) => fetchTile(deps, level, index, width));
  const before = await deps.pending.load(deps.origin);
  if (before.size > size) return before.size;
  const proof = before.size === 0 || before.size === size ? [] : await consistencyProof(hashes, before.size, size);
  const answer = await deps.mirror.addCheckpoint(encodeAddCheckpoint(before.size, proof, note));
  if (answer.status === 409) throw ahead();
  if (answer.status !== 200) throw wrong('the checkpoint of a peer does not continue what is here');
  await pullEntries(deps, hashes, size);
  await pullData(deps, size);
  if (deps.withBlobs) await pullBlobs(deps, size);
  return size;
}

async function fetchCheckpoint(deps: PullDeps): Promise<{ note: string; size: number }> {
  const { status, body } = await deps.http.send({
    method: 'GET',
    url: `${deps.url}/checkpoint?level=durable`,
    deadlineMs: deps.deadlineMs,
    maxBytes: CHECKPOINT_MAX_BYTES,
  });
  if (status === 404) throw new GatewayError('not-found', 'a peer does not have this log');
  if (status >= 500) throw new GatewayError('unavailable', 'a peer gives no checkpoint now');
  const note = body.toString();
  const parsed = status === 200 ? parseCheckpoint(note) : undefined;
  if (
    parsed === undefined ||
    parsed.checkpoint.origin !== deps.origin ||
    verifyNote(parsed.note, deps.logKeys) === undefined
  ) {
    throw wrong('a peer does not give a checkpoint that is signed by the log');
  }
  return { note, size: parsed.checkpoint.size };
}

async function fetchTile(deps: PullDeps, level: number | 'entries', index: number, width: number): Promise<Buffer> {
  const { status, body } = await deps.http.send({
    method: 'GET',
    url: `${deps.url}/${tilePath({ level, index, width })}`,
    deadlineMs: deps.deadlineMs,
    maxBytes: TILE_MAX_BYTES,
  });
  if (status !== 200) throw new GatewayError('unavailable', 'a peer does not give a tile that its checkpoint covers');
  return body;
}

async function pullEntries(deps: PullDeps, hashes: HashReader, size: number): Promise<void> {
  const start = Math.min((await deps.mirror.status(deps.origin)).next, size);
  const answer = await deps.mirror.addEntries(packagesOf(deps, hashes, start, size));
  if (answer.status === 409 || answer.status === 202) throw ahead();
  if (answer.status !== 200) throw wrong('the entries of a peer are not those of its checkpoint');
}

/** One upload to the own mirror, which stores it package by package; the next packages are fetched while one is taken. */
async function* packagesOf(deps: PullDeps, hashes: HashReader, start: number, end: number): AsyncGenerator<Buffer> {
  yield encodeAddEntriesHeader({ origin: deps.origin, start, end, ticket: Buffer.alloc(0) });
  const fetching: Promise<Buffer>[] = [];
  for (const range of packageRanges(start, end)) {
    const fetched = fetchPackage(deps, hashes, range, end);
    // Taken later: until then nobody hears of its failure.
    fetched.catch(() => {});
    fetching.push(fetched);
    if (fetching.length < PACKAGES_PER_REQUEST) continue;
    report(deps, { size: end, entries: range.start, documents: 0, blobs: 0 });
    yield await (fetching.shift() ?? fetched);
  }
  for (const fetched of fetching) yield await fetched;
}

async function fetchPackage(deps: PullDeps, hashes: HashReader, range: PackageRange, size: number): Promise<Buffer> {
  const index = range.subtreeStart / TILE_WIDTH;
  const width = widthAt('entries', index, size);
  const bundle = decodeEntryBundle(await fetchTile(deps, 'entries', index, width), width);
  if (bundle === undefined) throw wrong('a peer gives an entry bundle that is malformed');
  const entries = bundle.slice(range.start - range.subtreeStart, range.end - range.subtreeStart);
  return encodePackage(entries, await subtreeConsistencyProof(hashes, range.subtreeStart, range.end, size));
}

async function pullData(deps: PullDeps, size: number): Promise<void> {
  for (;;) {
    const { held, nextBlock } = await deps.mirror.status(deps.origin);
    if (held >= size) return;
    const response = await deps.http.open({
      method: 'GET',
      url: `${deps.url}/data?from=${held}&to=${size}&block=${nextBlock}`,
      headers: {
        authorization: deps.authorization(),
        ...(deps.packed === true ? { 'accept-encoding': 'gzip' } : {}),
      },
      deadlineMs: deps.deadlineMs,
      maxBytes: Number.MAX_SAFE_INTEGER,
    });
    const outcome = await deps.mirror.addData(deps.origin, held, watched(deps, response, size));
    if (outcome.kind === 'refused') throw wrong('the documents of a peer are not those of the log');
    if (outcome.held <= held)
      throw new GatewayError('not-found', 'a peer has the entries of this log but not all documents');
  }
}

/** The stream with progress; a status other than 200 is an error. */
async function* watched(deps: PullDeps, response: OpenResponse, size: number): AsyncGenerator<Buffer> {
  if (response.status !== 200) {
    for await (const _ of response.body);
    throw response.status === 401 || response.status === 403
      ? new GatewayError('forbidden', 'a peer does not give its documents to this gateway')
      : new GatewayError('unavailable', `a peer answered with status ${response.status}`);
  }
  let pieces = 0;
  for await (const piece of response.body) {
    yield piece;
    pieces += 1;
    if (pieces % 64 === 0) {
      report(deps, { size, entries: size, documents: (await deps.mirror.status(deps.origin)).held, blobs: 0 });
    }
  }
}

async function pullBlobs(deps: PullDeps, size: number): Promise<void> {
  for (;;) {
    const { missing } = await deps.mirror.status(deps.origin);
    report(deps, { size, entries: size, documents: size, blobs: missing.length });
    if (missing.length === 0) return;
    for (const { digest, size: bytes } of missing) {
      await deps.mirror.addBlob(deps.origin, digest, blobRanges(deps, digest, bytes));
    }
  }
}

/** A blob, piece by piece as it comes; after a fault from where it was: a large image survives a link that does not. */
async function* blobRanges(deps: PullDeps, digest: Buffer, size: number): AsyncGenerator<Buffer> {
  let faults = 0;
  for (let at = 0; at < size;) {
    try {
      const { status, body } = await deps.http.open({
        method: 'GET',
        url: `${deps.url}/blob/${digest.toString('hex')}`,
        headers: { authorization: deps.authorization(), range: `bytes=${at}-${size - 1}` },
        deadlineMs: deps.deadlineMs,
        maxBytes: size - at,
      });
      if (status !== 206) {
        for await (const _ of body);
        if (status === 404) throw new GatewayError('not-found', 'a peer does not have a blob of this log');
        throw new GatewayError('unavailable', 'a peer does not give a blob');
      }
      for await (const piece of body) {
        yield piece;
        at += piece.length;
        faults = 0;
      }
    } catch (thrown) {
      faults += 1;
      const final = thrown instanceof GatewayError && thrown.code === 'not-found';
      if (final || faults === BLOB_FAULTS) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, faults * BLOB_PAUSE_MS));
    }
  }
}

function report(deps: PullDeps, progress: PullProgress): void {
  deps.progress?.(progress);
}

/** Somebody else, the log's own upload perhaps, has moved the same mirror on. */
function ahead(): GatewayError {
  return new GatewayError('conflict', 'another upload of this log is ahead; look again');
}

function wrong(message: string): GatewayError {
  return new GatewayError('integrity', message);
}
