/**
 * What the HTTP edge serves to other gateways: the roles of `replication/` as the edge may know them, and the log data and
 * blobs that this gateway gives to members.
 */
import { GatewayError } from '../core/errors.ts';
import type { BlobStore } from '../record/blob-store.ts';
import type { DataRange } from '../replication/frames.ts';
import type { Levels } from '../replication/levels.ts';
import type { PeerAuthenticator } from '../replication/member.ts';
import type { Mirror } from '../replication/mirror.ts';
import type { Suspensions } from '../replication/suspensions.ts';
import type { Witness } from '../replication/witness.ts';
import type { ReadLedger } from './read-ledger.ts';

export type { DataRange } from '../replication/frames.ts';
export type { Levels } from '../replication/levels.ts';
export type { Level } from '../replication/own-log.ts';
export type { PeerAuthenticator } from '../replication/member.ts';
export type { Mirror, MirrorStatus } from '../replication/mirror.ts';
export type { Suspensions } from '../replication/suspensions.ts';
export type { Witness, WitnessAnswer } from '../replication/witness.ts';
export { LOG_DATA } from '../replication/frames.ts';
export { reaches } from '../replication/levels.ts';
export { encodeMirrorInfo, MIRROR_INFO } from '../ledger/mirror-message.ts';
export { TLOG_SIZE } from '../ledger/witness-message.ts';

/** Everything that other gateways may ask of this one. */
export interface PeerServices {
  readonly witness: Witness;
  readonly mirror: Mirror;
  /** Reads of a mirrored log; undefined when it is not known here. */
  readonly mirrored: (originHash: string) => ReadLedger | undefined;
  /** Documents and sealed payloads of the own log. */
  readonly ownData: (range: DataRange) => AsyncIterable<Buffer>;
  /** The own member note. */
  readonly member: string;
  readonly authenticate: PeerAuthenticator;
  readonly blobs: Pick<BlobStore, 'stat' | 'readAt'>;
  readonly levels: Levels;
  readonly suspensions: Suspensions;
}

/** Bytes of a blob that are read at once. */
const PIECE = 512 * 1024;

/** The ciphertext of a blob from `from` to before `to`, in pieces. Throws `not-found`, or `integrity` when it is shorter. */
export async function* blobBytes(
  blobs: Pick<BlobStore, 'readAt'>,
  digest: Buffer,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void> {
  for (let at = from; at < to;) {
    const piece = await blobs.readAt(digest, at, Math.min(PIECE, to - at));
    if (piece.length === 0) throw new GatewayError('integrity', 'a blob is shorter than it was');
    yield piece;
    at += piece.length;
  }
}
