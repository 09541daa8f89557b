/**
 * Documents: what the ledger anchors (DESIGN section 2). A document is a compact JWS (RFC 7515, EdDSA) by the gateway's
 * `sign` key; its SHA-256 stands in the leaf. To members it shows digests and sizes of payloads; the rest is sealed.
 */
import { createHash, hash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { KeyPair } from '../keys/key-set.ts';

export type DocumentKind =
  'manifest' | 'access' | 'grant' | 'secret' | 'rewrap' | 'key' | 'source' | 'suspension' | 'checkpoint';

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
  /** Of a `key` document, whose `sealed` is empty: the role whose key is another one from here on. */
  readonly role?: string;
  /** Of a `key` document: the new public key, raw, base64url; absent for `master`. */
  readonly publicKey?: string;
  /** Of a `key` document of role `sign`: signature of the new key over `keyProofText`, base64url. */
  readonly proof?: string;
  /** Of a `suspension`, whose `sealed` is empty: the statement as its issuer has signed it. */
  readonly statement?: string;
  /** Of a `checkpoint`, whose `sealed` is empty: a checkpoint of another log, or two of one size that contradict each other. */
  readonly notes?: readonly string[];
  /** Of a `checkpoint` with two notes: when they were found, milliseconds since 1970. */
  readonly foundAt?: number;
}

/** What the new `sign` key signs to show that its private part is there: bound to the log and to the key it replaces. */
export function keyProofText(origin: string, replacedKeyId: string): Buffer {
  return Buffer.from(`anamnesis key\n${origin}\nsign\n${replacedKeyId}\n`);
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
    return { bytes, digest: hash('sha256', bytes, 'buffer') };
  };
}

/** What stands between the parts of a compact JWS. */
const DOT = 0x2e;

/** Reads a document's body without checking its signature (its digest was checked, or it is our own). Throws `integrity`. */
export function parseDocument(bytes: Buffer): DocumentBody {
  // Only the middle of the three parts is decoded: half the time, where a restore reads every document there is.
  const [from, to] = [bytes.indexOf(DOT) + 1, bytes.lastIndexOf(DOT)];
  try {
    const body = JSON.parse(Buffer.from(bytes.toString('ascii', from, to), 'base64url').toString()) as DocumentBody;
    if (
      from > 0 &&
      bytes.indexOf(DOT, from) === to &&
      body.v === 1 &&
      Array.isArray(body.payloads) &&
      typeof body.sealed === 'string'
    )
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

/** `verifyDocument` on the thread pool of the process: for many documents at a time. */
export function verifyDocumentAside(bytes: Buffer, publicKey: KeyObject): Promise<boolean> {
  const at = bytes.lastIndexOf('.');
  if (at < 0) return Promise.resolve(false);
  const signature = Buffer.from(bytes.toString('ascii', at + 1), 'base64url');
  return new Promise((resolve, reject) => {
    verify(null, bytes.subarray(0, at), publicKey, signature, (error, valid) =>
      error === null ? resolve(valid) : reject(error),
    );
  });
}

/**
 * The key that signs the documents after this one: another than `current` where this is a `key` document of the role `sign`,
 * whose signature was checked. Throws `integrity` when the new key does not show that it is there.
 */
export function nextSignKey(bytes: Buffer, origin: string, current: KeyObject): KeyObject {
  const { typ, role, publicKey = '', proof = '' } = parseDocument(bytes);
  if (typ !== 'key' || role !== 'sign') return current;
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
  const { x = '' } = current.export({ format: 'jwk' });
  const text = keyProofText(origin, documentKeyId(Buffer.from(x, 'base64url')));
  if (!verify(null, text, key, Buffer.from(proof, 'base64url'))) {
    throw new GatewayError('integrity', 'a new sign key in the ledger does not prove itself');
  }
  return key;
}
