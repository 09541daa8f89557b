/**
 * Cosignatures (C2SP tlog-cosignature v1.0.1, type 0x04): a timestamp and Ed25519 over "cosignature/v1", that time and the
 * whole text of a checkpoint. `note` verifies them; here they are made and read. Witnesses and mirrors both cosign, each
 * with a key and a name of its own: "one Ed25519 key MUST NOT serve two cosigners", since the name is not signed.
 */
import { sign } from 'node:crypto';
import { u64be } from '../core/bytes.ts';
import { KEY_COSIGNATURE_V1, verifierKey, type NoteSignature, type NoteSigner, type VerifierKey } from './note.ts';

/** Bytes of a cosignature behind its key id: time u64be ‖ Ed25519 signature. */
const COSIGNATURE_BYTES = 72;

/** The verifier key (type 0x04) of a cosigner. RangeError when its name is not allowed. */
export function cosignerKey(signer: Pick<NoteSigner, 'name' | 'rawPublicKey'>): VerifierKey {
  return verifierKey(signer.name, KEY_COSIGNATURE_V1, signer.rawPublicKey);
}

/**
 * A cosignature of a checkpoint's text (with its final newline) as of `time`, POSIX seconds: "as of this time, the largest
 * consistent tree that I have observed for this origin has this root". Whoever calls this has persisted that before.
 */
export function cosign(text: string, signer: NoteSigner, time: number): NoteSignature {
  const message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
  const signature = Buffer.concat([u64be(time), sign(null, message, signer.privateKey)]);
  const { name, id } = cosignerKey(signer);
  return { name, id, signature };
}

/** When a cosignature says it was made, POSIX seconds; undefined when the bytes are none, or the time is beyond 2^53. */
export function cosignatureTime(signature: Buffer): number | undefined {
  if (signature.length !== COSIGNATURE_BYTES) return undefined;
  const time = Number(signature.readBigUInt64BE(0));
  return Number.isSafeInteger(time) ? time : undefined;
}
