/**
 * The gateway's key set (DESIGN section 5): one key a role, never shared between roles. Held by a KeyProvider; this file
 * knows the roles, not where they are kept.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';

/** An asymmetric key pair with its raw public key bytes. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Ed25519 and X25519: the 32 raw bytes. ES256: the uncompressed point, 65 bytes. */
  readonly rawPublicKey: Buffer;
}

/** Keys that were replaced and are still needed. Oldest first. */
export interface KeyHistory {
  /** Raw public keys of `sign`: what they signed before they were replaced stays valid. */
  readonly sign: readonly Buffer[];
  /** Issuer keys, and until when (milliseconds since 1970) a token of theirs can be valid. */
  readonly issuer: readonly { readonly publicKey: KeyObject; readonly until: number }[];
  /** Pairs of `encrypt`: grants to them still have to be opened. */
  readonly encrypt: readonly KeyPair[];
  /** Masters under which wraps still stand; none once all wraps are renewed, after which nothing opens under them. */
  readonly master: readonly KeyObject[];
  /** Logs that this gateway has given up for a new one, with the origin and the raw public key of each. */
  readonly log: readonly { readonly origin: string; readonly publicKey: Buffer }[];
}

/** Roles whose key can be replaced. Another `log` key is another log, with an origin of its own: `begin-log`. */
export const ROTATABLE_ROLES = ['sign', 'witness', 'mirror', 'encrypt', 'issuer', 'master'] as const;
export type RotatableRole = (typeof ROTATABLE_ROLES)[number];

/** A replacement that has begun: the new key is kept, the old one in use until the ledger says that it was replaced. */
export interface PendingRotation {
  readonly role: RotatableRole | 'log';
  /** Of `log`: the origin that is given up. */
  readonly origin?: string;
  /** The new key; for `master` a KeyObject. */
  readonly key: KeyPair | KeyObject;
  /** Milliseconds since 1970. */
  readonly begunAt: number;
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
  readonly history: KeyHistory;
  /** True once a master was replaced: documents sealed before that open only through those that renewed them. */
  readonly renewed: boolean;
  readonly pending: PendingRotation | undefined;
}

/** All masters under which something of this gateway may be sealed, the current one first. */
export function mastersOf(keySet: KeySet): readonly KeyObject[] {
  return [keySet.master, ...keySet.history.master.toReversed()];
}

/** The `sign` key with which this gateway's log began, raw. */
export function firstSignKey(keySet: KeySet): Buffer {
  return keySet.history.sign[0] ?? keySet.sign.rawPublicKey;
}

/**
 * The origin under which the documents of this gateway began: they stay bound to it when its log goes on under another.
 * `origin`: that of today.
 */
export function firstOrigin(keySet: Pick<KeySet, 'history'>, origin: string): string {
  return keySet.history.log[0]?.origin ?? origin;
}

/** Every `sign` key that this gateway's log was written with, oldest first. */
export function signKeysOf(keySet: KeySet): readonly KeyObject[] {
  return [...keySet.history.sign, keySet.sign.rawPublicKey].map(ed25519PublicKey);
}

/** The key object of a raw Ed25519 public key of 32 bytes. */
export function ed25519PublicKey(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}
