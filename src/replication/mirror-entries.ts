/**
 * add-entries of C2SP tlog-mirror: takes entries in packages of at most 256, each proven to be part of a pending checkpoint
 * before it is stored, so that an upload may stop anywhere and go on, and two may run at once. When everything up to the
 * pending checkpoint is here, that becomes the mirror checkpoint, cosigned.
 *
 * This mirror keeps logs of gateways: entries are the 33 bytes of `ledger/leaf`; any other entry is refused like a wrong one.
 */
import { createHmac } from 'node:crypto';
import { ByteReader } from '../core/byte-reader.ts';
import { equalBytes } from '../core/bytes.ts';
import { parseCheckpoint } from '../ledger/checkpoint.ts';
import { verifySubtreeConsistency } from '../ledger/consistency.ts';
import { LEAF_ENTRY_BYTES, leafEntry, parseLeafEntry } from '../ledger/leaf.ts';
import { appendLeaves, HASH_BYTES, leafHash } from '../ledger/merkle.ts';
import { formatNote, formatSignatureLine, type NoteSignature } from '../ledger/note.ts';
import {
  PACKAGES_PER_REQUEST,
  packageRanges,
  readAddEntriesHeader,
  readPackage,
  type EntryPackage,
  type MirrorInfo,
} from '../ledger/mirror-message.ts';
import { TILE_WIDTH, tileHashes } from '../ledger/tile.ts';
import type { CheckpointStore } from './accept-checkpoint.ts';
import type { MirrorEntries, MirrorState, RootedTile } from './mirror-ports.ts';
import type { Trust } from './trust.ts';

export type AddEntriesAnswer =
  | { readonly status: 200; readonly body: string }
  | { readonly status: 202 | 409; readonly info: MirrorInfo }
  | { readonly status: 400 | 403 | 404 | 422; readonly reason: string };

export interface TakeEntriesDeps {
  readonly trust: Trust;
  readonly store: MirrorEntries;
  readonly pending: Pick<CheckpointStore, 'load'>;
  /** The mirror's cosignature of a checkpoint text: made when everything it covers is durable. */
  readonly cosign: (text: string) => NoteSignature;
  /** Authenticates tickets, 32 bytes; the same in every process of the gateway. */
  readonly ticketKey: Buffer;
  /** Throws `storage-full` when no more may be taken for a log that has so many bytes. */
  readonly checkRoom: (bytes: number) => void;
}

/** A checkpoint of the log that this mirror has accepted at some time. */
interface Pending {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

/** Handles one request body. Rejects with the errors of the store and of the stream. */
export async function takeEntries(deps: TakeEntriesDeps, body: AsyncIterable<Uint8Array>): Promise<AddEntriesAnswer> {
  const reader = new ByteReader(body);
  const header = await readAddEntriesHeader(reader);
  if (header === undefined) return { status: 400, reason: 'the header is malformed' };
  const { origin, start, end } = header;
  if (deps.trust.logKeys(origin).length === 0) return { status: 404, reason: 'the origin is not known here' };
  if (await deps.trust.isSuspendedNow(origin)) return { status: 403, reason: 'the origin is suspended' };
  const state = await deps.store.load(origin);
  const latest = await deps.pending.load(origin);
  if (latest.note === '') return { status: 422, reason: 'there is no pending checkpoint' };
  const pending = [latest, ticketed(deps, header.ticket)].find((known) => known?.size === end);
  const isValid = pending !== undefined && end >= state.size;
  // "If the client's upload_end value was valid, the first line SHOULD contain upload_end."
  if (!isValid || start > state.next)
    return { status: 409, info: infoOf(deps, isValid ? pending : latest, state.next) };
  const conflict = (): AddEntriesAnswer => ({ status: 409, info: infoOf(deps, latest, state.next) });
  if (end > state.next) deps.checkRoom(state.bytes);

  const intake = new PackageIntake(deps.store, state, pending);
  let wrong = false;
  for (const range of packageRanges(start, end)) {
    const entries = await readPackage(reader, range, LEAF_ENTRY_BYTES).catch((error: unknown) =>
      intake.keep().then(() => Promise.reject(error)),
    );
    if (entries === undefined) break;
    if (entries === 'too-long' || !(await intake.take(entries))) {
      wrong = true;
      break;
    }
  }
  const next = await intake.keep();
  if (wrong) return { status: 422, reason: 'a package is not part of the pending checkpoint' };
  if (start < end && intake.taken === 0) return { status: 400, reason: 'there is no whole package in the body' };
  if (next < end) return { status: 202, info: infoOf(deps, pending, next) };
  return finish(deps, state, pending, conflict);
}

async function finish(
  deps: TakeEntriesDeps,
  state: MirrorState,
  pending: Pending,
  conflict: () => AddEntriesAnswer,
): Promise<AddEntriesAnswer> {
  const parsed = parseCheckpoint(pending.note);
  if (parsed === undefined) return { status: 422, reason: 'there is no pending checkpoint' };
  const line = deps.cosign(parsed.note.text);
  const note = formatNote({ text: parsed.note.text, signatures: [...parsed.note.signatures, line] });
  const set = await deps.store.setCheckpoint(state.log, { size: pending.size, root: pending.root, note });
  return set ? { status: 200, body: formatSignatureLine(line) } : conflict();
}

/** Verifies packages and stores them some at a time. */
class PackageIntake {
  readonly #store: MirrorEntries;
  readonly #state: MirrorState;
  readonly #pending: Pending;
  #bundles: { readonly index: number; readonly digests: Buffer }[] = [];
  #tiles: RootedTile[] = [];
  #next: number;
  taken = 0;

  constructor(store: MirrorEntries, state: MirrorState, pending: Pending) {
    this.#store = store;
    this.#state = state;
    this.#pending = pending;
    this.#next = state.next;
  }

  /** False when the package is not proven; it and what follows are not stored. */
  async take(entries: EntryPackage): Promise<boolean> {
    const index = entries.subtreeStart / TILE_WIDTH;
    const before = entries.start - entries.subtreeStart;
    const known = before === 0 ? Buffer.alloc(0) : await this.#store.bundle(this.#state.log, index);
    const digests = entries.entries.map(parseLeafEntry);
    if (known.length < before * HASH_BYTES || digests.includes(undefined)) return false;
    const bundle = Buffer.concat([
      known.subarray(0, before * HASH_BYTES),
      ...digests.filter((digest) => digest !== undefined),
    ]);
    const hashes = tileHashes(bundle).map((digest) => leafHash(leafEntry(digest)));
    const { root } = appendLeaves(0, [], hashes);
    const { size, root: treeRoot } = this.#pending;
    if (!verifySubtreeConsistency(entries.subtreeStart, entries.end, size, root, treeRoot, entries.proof)) return false;
    this.#bundles.push({ index, digests: bundle });
    if (hashes.length === TILE_WIDTH) {
      this.#tiles.push({ level: 0, index, hashes: Buffer.concat(hashes), root });
      await this.#fillAbove(1, index);
    }
    this.taken += 1;
    this.#next = Math.max(this.#next, entries.end);
    if (this.#bundles.length >= PACKAGES_PER_REQUEST) await this.keep();
    return true;
  }

  /** The tile above, when the tile at `index` below was its last one. */
  async #fillAbove(level: number, below: number): Promise<void> {
    if ((below + 1) % TILE_WIDTH !== 0) return;
    const first = below + 1 - TILE_WIDTH;
    const mine = new Map(this.#tiles.filter((tile) => tile.level === level - 1).map((tile) => [tile.index, tile.root]));
    const stored = await this.#store.tileRoots(this.#state.log, level - 1, first, below + 1);
    const roots = Array.from({ length: TILE_WIDTH }, (_, i) => mine.get(first + i) ?? stored[i]);
    // Entries come in order, so that all tiles before this one are there.
    if (roots.some((root) => root === undefined)) return;
    const hashes = roots.filter((root) => root !== undefined);
    const index = Math.floor(below / TILE_WIDTH);
    this.#tiles.push({ level, index, hashes: Buffer.concat(hashes), root: appendLeaves(0, [], hashes).root });
    await this.#fillAbove(level + 1, index);
  }

  /** Stores what was taken; returns the next entry. */
  async keep(): Promise<number> {
    if (this.#bundles.length > 0) {
      this.#next = await this.#store.addEntries(this.#state.log, this.#bundles, this.#tiles, this.#next);
      this.#bundles = [];
      this.#tiles = [];
    }
    return this.#next;
  }
}

/** "Mirrors SHOULD accept any of the last several pending checkpoints": the ticket brings one back, under a MAC. */
function infoOf(deps: TakeEntriesDeps, pending: Pending, next: number): MirrorInfo {
  const note = Buffer.from(pending.note);
  return { size: pending.size, next, ticket: Buffer.concat([ticketMac(deps, note), note]) };
}

function ticketed(deps: TakeEntriesDeps, ticket: Buffer): Pending | undefined {
  if (ticket.length <= HASH_BYTES) return undefined;
  const note = ticket.subarray(HASH_BYTES);
  if (!equalBytes(ticket.subarray(0, HASH_BYTES), ticketMac(deps, note))) return undefined;
  const checkpoint = parseCheckpoint(note.toString())?.checkpoint;
  return checkpoint && { size: checkpoint.size, root: checkpoint.root, note: note.toString() };
}

function ticketMac(deps: TakeEntriesDeps, note: Buffer): Buffer {
  return createHmac('sha256', deps.ticketKey).update('mirror ticket').update(note).digest();
}
