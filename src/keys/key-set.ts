/**
 * The gateway's key set (DESIGN section 5): one key a role, never shared between roles. Held by a KeyProvider; this file
 * knows the roles, not where they are kept.
 */
import type { KeyObject } from 'node:crypto';

/** An asymmetric key pair with its raw public key bytes. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Ed25519 and X25519: the 32 raw bytes. ES256: the uncompressed point, 65 bytes. */
  readonly rawPublicKey: Buffer;
}

export interface KeySet {
  /** Ed25519: manifests, access batches, grants, peer tokens. */
  readonly sign: KeyPair;
  /** Ed25519: checkpoints of this gateway's log. */
  readonly log: KeyPair;
  /** Ed25519: cosignatures of other logs. */
  readonly witness: KeyPair;
  /** Ed25519: mirror receipts. */
  readonly mirror: KeyPair;
  /** X25519: receives grants of other gateways. */
  readonly encrypt: KeyPair;
  /** ES256: access tokens of the built-in issuer. */
  readonly issuer: KeyPair;
  /** AES-256: wraps lockbox keys and index secrets, nothing else. */
  readonly master: KeyObject;
  /** SHA-256 over all public keys and a keyed check value of master, base64url: kept in the database so that a wrong key file is noticed. */
  readonly fingerprint: string;
}
