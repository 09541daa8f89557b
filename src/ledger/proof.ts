/**
 * Offline receipts (C2SP tlog-proof): the place of one entry, its inclusion proof and a signed checkpoint in one text
 * file, extension `.tlog-proof`.
 */
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { verifyInclusion } from './inclusion.ts';
import { HASH_BYTES, leafHash } from './merkle.ts';
import { fromBase64, verifyNote, type VerifierKey } from './note.ts';

const HEADER = 'c2sp.org/tlog-proof@v1';
/** Hashes of one inclusion proof at most: a tree has no more than 2^63 leaves. */
const MAX_HASHES = 63;

export interface TlogProof {
  /** Opaque bytes for the application; ours have none. */
  readonly extra?: Buffer;
  readonly index: number;
  /** Inclusion proof, lowest hash first, 32 bytes each. */
  readonly hashes: readonly Buffer[];
  /** The signed checkpoint, with cosignatures where there are any. */
  readonly checkpoint: string;
}

/** The receipt as text; `parseProof` reads it back. */
export function formatProof(proof: TlogProof): string {
  const extra = proof.extra === undefined ? '' : `extra ${proof.extra.toString('base64')}\n`;
  const hashes = proof.hashes.map((hash) => `${hash.toString('base64')}\n`).join('');
  return `${HEADER}\n${extra}index ${proof.index}\n${hashes}\n${proof.checkpoint}`;
}

/** Reads a receipt without verifying it; undefined when it is malformed. */
export function parseProof(text: string): TlogProof | undefined {
  const end = text.indexOf('\n\n');
  const lines = text.slice(0, Math.max(0, end)).split('\n');
  if (end < 0 || lines.shift() !== HEADER) return undefined;
  let extra: Buffer | undefined;
  if (lines[0]?.startsWith('extra ') === true) {
    extra = fromBase64(lines[0].slice('extra '.length));
    if (extra === undefined) return undefined;
    lines.shift();
  }
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1];
  if (index === undefined || !Number.isSafeInteger(Number(index)) || lines.length > MAX_HASHES) return undefined;
  const hashes: Buffer[] = [];
  for (const line of lines) {
    const hash = fromBase64(line);
    if (hash?.length !== HASH_BYTES) return undefined;
    hashes.push(hash);
  }
  const checkpoint = text.slice(end + 2);
  return { ...(extra === undefined ? {} : { extra }), index: Number(index), hashes, checkpoint };
}

export type ProofOutcome =
  | {
      readonly valid: true;
      readonly index: number;
      readonly checkpoint: Checkpoint;
      readonly signedBy: readonly string[];
    }
  | { readonly valid: false; readonly reason: 'malformed' | 'origin' | 'signature' | 'inclusion' };

/**
 * Whether the receipt shows that `entry` is in the log of `logKey`: its checkpoint bears the log's signature (and no wrong
 * one of `cosigners`), names the log's origin, and the inclusion proof leads to its root.
 */
export function verifyProof(
  text: string,
  entry: Uint8Array,
  logKey: VerifierKey,
  cosigners: readonly VerifierKey[] = [],
): ProofOutcome {
  const proof = parseProof(text);
  const parsed = proof === undefined ? undefined : parseCheckpoint(proof.checkpoint);
  if (proof === undefined || parsed === undefined) return { valid: false, reason: 'malformed' };
  const { checkpoint, note } = parsed;
  if (checkpoint.origin !== logKey.name) return { valid: false, reason: 'origin' };
  const signers = verifyNote(note, [logKey, ...cosigners]);
  if (signers === undefined || !signers.includes(logKey)) return { valid: false, reason: 'signature' };
  if (!verifyInclusion(proof.index, checkpoint.size, leafHash(entry), proof.hashes, checkpoint.root)) {
    return { valid: false, reason: 'inclusion' };
  }
  return { valid: true, index: proof.index, checkpoint, signedBy: signers.map(({ name }) => name) };
}
