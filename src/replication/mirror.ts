/**
 * Mirror (C2SP tlog-mirror): stores and serves the logs of other gateways, and beyond the specification their documents,
 * sealed payloads and blobs, with signed receipts. Every step is authenticated before it is stored; what a mirror serves it
 * can prove.
 */
import { hash, sign } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { cosign, cosignerKey } from '../ledger/cosignature.ts';
import { decodeCompactRange, foldRange } from '../ledger/merkle.ts';
import { formatVkey, type NoteSigner } from '../ledger/note.ts';
import type { BlobStore, BlobUploads } from '../record/blob-store.ts';
import { checkpointAcceptor, type CheckpointStore, type Equivocation } from './accept-checkpoint.ts';
import { dataStream, type DataRange } from './frames.ts';
import { MISSING_LISTED, mirrorBlobs, type MirrorBlobs } from './mirror-blobs.ts';
import { takeData, type DataOutcome } from './mirror-data.ts';
import { takeEntries, type AddEntriesAnswer } from './mirror-entries.ts';
import type { LogRows, MirrorData, MirrorEntries, MirrorState, MissingBlob } from './mirror-ports.ts';
import { signReceipt } from './receipt.ts';
import type { Trust } from './trust.ts';
import type { WitnessAnswer } from './witness.ts';

/** How far this mirror is with a log. */
export interface MirrorStatus {
  readonly next: number;
  readonly held: number;
  readonly nextBlock: number;
  readonly blobs: number;
  /** Blobs that are named but not here, at most 1,000. */
  readonly missing: readonly MissingBlob[];
  /** The signed receipt for `held` and `blobs`. */
  readonly receipt: string;
}

export interface Mirror extends MirrorBlobs {
  /** The verifier key (type 0x04), one line without newline. */
  readonly vkey: string;
  /** As the witness's, for the pending checkpoint; 200 has an empty body. */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
  addEntries(body: AsyncIterable<Uint8Array>): Promise<AddEntriesAnswer>;
  /** Takes documents and sealed payloads of an origin from a leaf on. */
  addData(origin: string, from: number, body: AsyncIterable<Uint8Array>): Promise<DataOutcome>;
  status(origin: string): Promise<MirrorStatus>;
  /** The mirror checkpoint, cosigned; undefined when there is none. */
  checkpoint(originHash: string): Promise<string | undefined>;
  /** The stored documents and sealed payloads of a log; ends where they end. */
  data(origin: string, range: DataRange): Promise<AsyncIterable<Buffer>>;
  /** The origin behind a hash, if its log is known here; suspended ones too. */
  originOf(originHash: string): string | undefined;
}

export interface MirrorDeps {
  readonly trust: Trust;
  readonly pending: CheckpointStore;
  readonly store: MirrorEntries & MirrorData;
  readonly rows: (log: number) => LogRows;
  readonly blobs: BlobStore;
  readonly uploads: BlobUploads;
  /** False: blobs are not taken, and do not count as missing. */
  readonly keepsBlobs: boolean;
  /** Bytes of documents and payloads kept for one log at most. */
  readonly quotaBytes: number;
  /** False when the disk is at its floor. */
  readonly hasRoom: () => boolean;
  readonly clock: Clock;
  /** The `mirror` key under the mirror's name. */
  readonly signer: NoteSigner;
  readonly onEquivocation: (evidence: Equivocation) => void;
}

export function createMirror(deps: MirrorDeps): Mirror {
  const { trust, store, signer } = deps;
  const seconds = (): number => Math.floor(deps.clock.now() / 1000);
  const accept = checkpointAcceptor({ ...deps, store: deps.pending, cosign: () => [] });
  const checkRoom = (bytes: number): void => {
    if (!deps.hasRoom()) throw new GatewayError('storage-full', 'the disk of this mirror is at its floor');
    if (bytes > deps.quotaBytes) throw new GatewayError('storage-full', 'this mirror keeps no more for this log');
  };
  const entriesDeps = {
    trust,
    store,
    pending: deps.pending,
    cosign: (text: string) => cosign(text, signer, seconds()),
    ticketKey: ticketKeyOf(signer),
    checkRoom,
  };
  const hasBlob = async (digest: Buffer, size: number): Promise<boolean> =>
    !deps.keepsBlobs || (await deps.blobs.stat(digest))?.size === size;

  async function receiptOf(origin: string, state: MirrorState): Promise<{ blobs: number; receipt: string }> {
    const blobs = deps.keepsBlobs ? Math.min(await store.blobsHeld(state.log), state.held) : 0;
    const root = foldRange(decodeCompactRange(state.held, state.compact));
    return { blobs, receipt: signReceipt({ origin, held: state.held, root, blobs, time: seconds() }, signer) };
  }

  return {
    ...mirrorBlobs({ store, blobs: deps.blobs, uploads: deps.uploads, checkRoom }),
    vkey: formatVkey(cosignerKey(signer)),
    originOf: (text) => trust.originOf(text),
    async addCheckpoint(body) {
      const outcome = await accept(body);
      return outcome.status === 200 ? { status: 200, body: '' } : outcome;
    },
    addEntries: (body) => takeEntries(entriesDeps, body),
    async addData(origin, from, body) {
      checkRoom(0);
      return takeData({ store, rows: deps.rows, hasBlob, checkRoom }, origin, trust.logKeys(origin), from, body);
    },
    async status(origin) {
      const state = await store.load(origin);
      const [missing, proof] = [await store.missingBlobs(state.log, MISSING_LISTED), await receiptOf(origin, state)];
      return { next: state.next, held: state.held, nextBlock: state.nextBlock, missing, ...proof };
    },
    async checkpoint(text) {
      const origin = trust.originOf(text);
      if (origin === undefined) return undefined;
      const { checkpoint } = await store.load(origin);
      return checkpoint === '' ? undefined : checkpoint;
    },
    async data(origin, range) {
      const { log, held } = await store.load(origin);
      return dataStream(deps.rows(log), { ...range, to: Math.min(range.to, held) });
    },
  };
}

/**
 * The key under which tickets are good, the same in every process of this gateway and after a restart: the hash of an Ed25519 signature
 * (which is deterministic, RFC 8032) that never leaves this function, over a text that is neither a note nor a cosignature.
 */
function ticketKeyOf({ privateKey }: NoteSigner): Buffer {
  return hash('sha256', sign(null, Buffer.from('anamnesis mirror ticket key v1'), privateKey), 'buffer');
}
