/**
 * Two ways to check an Ed25519 signature (RFC 8032) for `anamnesis verify`: node:crypto (60 us a signature, measured) and
 * @noble/curves, which shares no code with what signed it (875 us).
 */
import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

/** True for a valid signature (64 bytes) of the message under a raw public key (32 bytes); never throws. */
export type Ed25519Check = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;

/** By @noble/curves, with the strict rules of RFC 8032 (not ZIP 215). */
export const nobleEd25519: Ed25519Check = (signature, message, publicKey) => {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  try {
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
};

/** By node:crypto. Keeps the key object of the last key, since a log has two keys and millions of signatures. */
export function nodeEd25519(): Ed25519Check {
  const keys = new Map<string, KeyObject>();
  const keyOf = (raw: Uint8Array): KeyObject => {
    const x = Buffer.from(raw).toString('base64url');
    const known = keys.get(x);
    if (known !== undefined) return known;
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    if (keys.size >= 16) keys.clear();
    keys.set(x, key);
    return key;
  };
  return (signature, message, publicKey) => {
    try {
      return verify(null, message, keyOf(publicKey), signature);
    } catch {
      return false;
    }
  };
}
