/**
 * Documents: what the ledger anchors (DESIGN section 2). A document is a compact JWS (RFC 7515, EdDSA) by the gateway's
 * `sign` key; its SHA-256 stands in the leaf. To members it shows digests and sizes of payloads; the rest is sealed.
 */
import { createHash, sign, verify, type KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { KeyPair } from '../keys/key-set.ts';

export type DocumentKind = 'manifest' | 'access' | 'grant' | 'secret';

/** A payload as members see it. */
export interface PayloadEntry {
  /** SHA-256, base64url: of the compact JWE, or of a blob's ciphertext. */
  readonly digest: string;
  /** Bytes of the same. */
  readonly size: number;
  readonly blob?: true;
}

export interface DocumentBody {
  readonly v: 1;
  readonly typ: DocumentKind;
  readonly payloads: readonly PayloadEntry[];
  /** Compact JWE of everything else: under the gateway's MANIFEST or AUDIT lockbox, or under the recipient's key (grants, secrets). */
  readonly sealed: string;
}

export interface SignedDocument {
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`. */
  readonly digest: Buffer;
}

/** Key id in a document's header: the first 16 hex digits of SHA-256(raw public key). */
export function documentKeyId(rawPublicKey: Uint8Array): string {
  return createHash('sha256').update(rawPublicKey).digest('hex').slice(0, 16);
}

/** Makes a signer of documents; the header is the same for all documents of a key. */
export function documentSigner(key: KeyPair): (body: DocumentBody) => SignedDocument {
  const header = Buffer.from(
    `{"alg":"EdDSA","typ":"anamnesis+jws","kid":"${documentKeyId(key.rawPublicKey)}"}`,
  ).toString('base64url');
  return (body) => {
    const input = `${header}.${Buffer.from(JSON.stringify(body)).toString('base64url')}`;
    const signature = sign(null, Buffer.from(input, 'ascii'), key.privateKey);
    const bytes = Buffer.from(`${input}.${signature.toString('base64url')}`, 'ascii');
    return { bytes, digest: createHash('sha256').update(bytes).digest() };
  };
}

/** Reads a document's body without checking its signature (its digest was checked, or it is our own). Throws `integrity`. */
export function parseDocument(bytes: Buffer): DocumentBody {
  const parts = bytes.toString('ascii').split('.');
  try {
    const body = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString()) as DocumentBody;
    if (parts.length === 3 && body.v === 1 && Array.isArray(body.payloads) && typeof body.sealed === 'string')
      return body;
  } catch {
    // falls through to the one error below
  }
  throw new GatewayError('integrity', 'a document of the ledger is not in the form of version 1');
}

/** True when the document carries a valid signature of this key. */
export function verifyDocument(bytes: Buffer, publicKey: KeyObject): boolean {
  const at = bytes.lastIndexOf('.');
  if (at < 0) return false;
  return verify(null, bytes.subarray(0, at), publicKey, Buffer.from(bytes.toString('ascii', at + 1), 'base64url'));
}
