/**
 * Receipts of a mirror (docs/replication.md): a signed note that says how far it durably holds the documents and sealed
 * payloads of a log, with the root of that tree, and how far the blobs too. By the mirror key, type 0x01: its first line
 * keeps it apart from checkpoints and from cosignatures, which begin otherwise.
 */
import {
  KEY_ED25519,
  parseNote,
  signNote,
  verifierKey,
  verifyNote,
  type NoteSigner,
  type VerifierKey,
} from '../ledger/note.ts';
import { HASH_BYTES } from '../ledger/merkle.ts';
import { fromBase64 } from '../ledger/note.ts';
import { parseSize } from '../ledger/witness-message.ts';

const HEADER = 'anamnesis receipt v1';

export interface MirrorReceipt {
  readonly origin: string;
  /** Documents and sealed payloads of the leaves below are durably held. */
  readonly held: number;
  /** Root of the tree of `held` leaves, 32 bytes. */
  readonly root: Buffer;
  /** Blobs named by the leaves below are durably held. */
  readonly blobs: number;
  /** POSIX seconds. */
  readonly time: number;
}

export function signReceipt(receipt: MirrorReceipt, signer: NoteSigner): string {
  const { origin, held, root, blobs, time } = receipt;
  return signNote(`${HEADER}\n${origin}\n${held}\n${root.toString('base64')}\n${blobs}\n${time}\n`, signer);
}

/** The receipt if it is signed by the mirror whose cosigner key this is; undefined when it is malformed or is not. */
export function verifyReceipt(note: string, mirror: VerifierKey): MirrorReceipt | undefined {
  const parsed = parseNote(note);
  // The same key under the type that signs notes: the policy names it by its cosigner type.
  const key = verifierKey(mirror.name, KEY_ED25519, mirror.publicKey);
  if (parsed === undefined || verifyNote(parsed, [key]) === undefined) return undefined;
  const [header, origin = '', heldText = '', rootText = '', blobsText = '', timeText = '', end, ...more] =
    parsed.text.split('\n');
  const [held, blobs, time] = [parseSize(heldText), parseSize(blobsText), parseSize(timeText)];
  const root = fromBase64(rootText);
  if (header !== HEADER || end !== '' || more.length > 0 || root?.length !== HASH_BYTES) return undefined;
  if (held === undefined || blobs === undefined || time === undefined || blobs > held) return undefined;
  return { origin, held, root, blobs, time };
}
