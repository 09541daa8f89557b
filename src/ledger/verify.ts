/**
 * What `anamnesis verify` checks of one block, one document and one tile, on the independent implementation only
 * (`independent-tree`, `independent-note`): nothing here may import `merkle`, `note`, `checkpoint`, `tile-source`.
 * Walking through a ledger stands in `services/verify-ledger`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import type { Block } from './block.ts';
import { readCheckpoint } from './independent-note.ts';
import type { Ed25519Check } from './signature-check.ts';

/** Every kind of damage that `anamnesis verify` tells apart, with what it means. */
export const FAULTS = {
  'head-missing': 'there is no head row, but there are blocks or documents',
  'head-mismatch': 'the head row is not what the last block and the tree say',
  'block-missing': 'blocks are missing',
  'block-first-leaf': 'the block does not begin where the previous one ends',
  'block-size': 'the block holds no new leaf',
  'block-prev': 'the block does not name the SHA-256 of the previous checkpoint',
  'checkpoint-malformed': 'the checkpoint of the block cannot be read',
  'checkpoint-mismatch': 'the checkpoint says another origin, size or root than the block',
  'checkpoint-signature': 'the checkpoint is not signed by the log key',
  'root-mismatch': 'the documents up to here do not give the root of the block',
  'leaf-mismatch': 'the document is not the one that is anchored at its leaf',
  'document-missing': 'a document is missing',
  'document-digest': 'the document is not the one whose digest was stored',
  'document-malformed': 'the document is not a signed document of version 1',
  'document-signature': 'the document is not signed by the sign key of the gateway',
  'sign-key': 'the sign key of the gateway is not the one that the ledger names last',
  'document-unexpected': 'a document stands beyond the last block',
  'payload-missing': 'a payload that the document names is missing',
  'payload-digest': 'the payload is not the one that the document names',
  'payload-row': 'digest, size or kind stored beside the payload are not those of the document',
  'payload-unexpected': 'a payload is there that no document names',
  'blob-damaged': 'a blob that the document names is missing or was changed',
  'tile-missing': 'a full tile was not stored',
  'tile-mismatch': 'a stored tile does not hold the hashes of the tree',
  'tile-unexpected': 'a tile stands beyond what the tree has full',
} as const;

export type FaultKind = keyof typeof FAULTS;

/** One finding and where it is. */
export interface Fault {
  readonly kind: FaultKind;
  /** Block number. */
  readonly block?: number;
  readonly leaf?: number;
  /** Ordinal of the payload in the document at `leaf`. */
  readonly ordinal?: number;
  /** `<level>/<index>`. */
  readonly tile?: string;
  /** Which column or member, where several can differ. */
  readonly field?: string;
}

/** Public keys of the gateway, 32 raw bytes each, and its origin. */
export interface LedgerKeys {
  readonly origin: string;
  /** The origin to which documents are bound, where the log has followed another; absent: the same. */
  readonly firstOrigin?: string;
  /** Signs checkpoints under the name of the origin. */
  readonly log: Uint8Array;
  /** Signed the first documents; a `key` document hands over to the next key. */
  readonly sign: Uint8Array;
  /** The key that should sign now; absent: not compared. */
  readonly signNow?: Uint8Array;
}

export interface BlockCheck {
  readonly faults: readonly FaultKind[];
  /**
   * The tree head that the block stands for: its checkpoint's where that is signed, the block's own where both say the
   * same, else none.
   */
  readonly head: { readonly size: number; readonly root: Buffer } | undefined;
}

/** Everything wrong with a block as the successor of `previous` (undefined: as block 0), apart from its root. */
export function checkBlock(
  previous: Block | undefined,
  block: Block,
  keys: LedgerKeys,
  check: Ed25519Check,
): BlockCheck {
  const faults: FaultKind[] = [];
  const contiguous = block.number === (previous?.number ?? -1) + 1;
  if (!contiguous) faults.push('block-missing');
  // After a gap nothing can be said about the link to a block that is not there.
  const prev = previous === undefined ? new Uint8Array(32) : sha256(Buffer.from(previous.checkpoint));
  if (contiguous && !block.prev.equals(prev)) faults.push('block-prev');
  if (contiguous && block.firstLeaf !== (previous?.size ?? 0)) faults.push('block-first-leaf');
  if (block.size <= block.firstLeaf) faults.push('block-size');
  const checkpoint = readCheckpoint(block.checkpoint, keys.origin, keys.log, check);
  if (checkpoint === undefined) return { faults: [...faults, 'checkpoint-malformed'], head: undefined };
  const same =
    checkpoint.origin === keys.origin && checkpoint.size === block.size && checkpoint.root.equals(block.root);
  if (!same) faults.push('checkpoint-mismatch');
  if (!checkpoint.signed) faults.push('checkpoint-signature');
  return { faults, head: checkpoint.signed || same ? checkpoint : undefined };
}

/** A payload as the public part of a document names it. */
export interface NamedPayload {
  /** 32 bytes. */
  readonly digest: Buffer;
  readonly size: number;
  readonly blob: boolean;
}

export type DocumentCheck =
  | { readonly fault: 'document-malformed' }
  | {
      readonly fault?: 'document-signature';
      readonly payloads: readonly NamedPayload[];
      /** The key that signs the documents after this one, where this one says so. */
      readonly nextSign?: Buffer;
    };

/** Reads a document (compact JWS, RFC 7515, EdDSA) and checks its signature by the gateway's `sign` key. */
export function checkDocument(bytes: Buffer, keys: LedgerKeys, check: Ed25519Check): DocumentCheck {
  const parts = bytes.toString('latin1').split('.');
  const header = parseSegment(parts[0]);
  const body = parseSegment(parts[1]);
  const signature = Buffer.from(parts[2] ?? '', 'base64url');
  if (
    parts.length !== 3 ||
    header === undefined ||
    body === undefined ||
    signature.toString('base64url') !== parts[2]
  ) {
    return { fault: 'document-malformed' };
  }
  const payloads = namedPayloads(body);
  // RFC 7515 section 4.1.11: what `crit` names must be understood; we define nothing.
  if (payloads === undefined || header.alg !== 'EdDSA' || 'crit' in header) return { fault: 'document-malformed' };
  const keyId = Buffer.from(sha256(keys.sign)).toString('hex', 0, 8);
  const message = bytes.subarray(0, bytes.lastIndexOf('.'));
  if (header.kid !== keyId || !check(signature, message, keys.sign)) return { fault: 'document-signature', payloads };
  if (body.typ !== 'key' || body.role !== 'sign') return { payloads };
  const nextSign = handedOver(body, keys.firstOrigin ?? keys.origin, keyId, check);
  return nextSign === undefined ? { fault: 'document-malformed' } : { payloads, nextSign };
}

/** The new sign key of a `key` document that shows, by its own signature, that it is there. */
function handedOver(
  body: Record<string, unknown>,
  origin: string,
  replaced: string,
  check: Ed25519Check,
): Buffer | undefined {
  const { publicKey, proof: signature } = body;
  if (typeof publicKey !== 'string' || typeof signature !== 'string') return undefined;
  const key = Buffer.from(publicKey, 'base64url');
  const proof = Buffer.from(signature, 'base64url');
  const text = Buffer.from(`anamnesis key\n${origin}\nsign\n${replaced}\n`);
  return key.length === 32 && check(proof, text, key) ? key : undefined;
}

/** A base64url segment that holds a JSON object. */
function parseSegment(segment: string | undefined): Record<string, unknown> | undefined {
  const bytes = Buffer.from(segment ?? '', 'base64url');
  if (bytes.toString('base64url') !== segment) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function namedPayloads(body: Record<string, unknown>): NamedPayload[] | undefined {
  if (body.v !== 1 || typeof body.typ !== 'string' || !Array.isArray(body.payloads)) return undefined;
  const payloads: NamedPayload[] = [];
  for (const entry of body.payloads as unknown[]) {
    if (!isRecord(entry) || typeof entry.digest !== 'string' || typeof entry.size !== 'number') return undefined;
    const digest = Buffer.from(entry.digest, 'base64url');
    if (digest.length !== 32 || digest.toString('base64url') !== entry.digest) return undefined;
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) return undefined;
    payloads.push({ digest, size: entry.size, blob: entry.blob === true });
  }
  return payloads;
}
