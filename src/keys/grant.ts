/**
 * Grants and secrets of a gateway to itself: what their sealed part says, and the tags that name their recipient
 * (DESIGN section 4). Both are sealed under the master key; because they are anchored, keys come back with a restore.
 */
import { createHmac } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import type { LabelSet } from '../labels/label.ts';
import { numberDigest } from './keyed-digest.ts';
import { makeLockbox, type Lockbox } from './lockbox.ts';
import type { IndexSecret } from './index-secret.ts';

/** Sealed part of a `grant`. */
interface GrantContent {
  readonly key: string;
  readonly patient?: string;
  readonly labels: string;
  readonly epoch: number;
}

/** Sealed part of a `secret`: the index secret of the gateway (no patient) or of one patient. */
interface SecretContent {
  readonly secret: string;
  readonly patient?: string;
}

export function encodeGrant(lockbox: Lockbox): Buffer {
  const content: GrantContent = {
    key: lockbox.key.toString('base64url'),
    ...(lockbox.patient === undefined ? {} : { patient: lockbox.patient }),
    labels: lockbox.labels,
    epoch: lockbox.epoch,
  };
  return Buffer.from(JSON.stringify(content));
}

/** Throws `integrity` when the content is not a grant. */
export function decodeGrant(plaintext: Buffer): Lockbox {
  const content = JSON.parse(plaintext.toString()) as GrantContent;
  const key = Buffer.from(String(content.key), 'base64url');
  if (key.length !== 32 || typeof content.labels !== 'string')
    throw new GatewayError('integrity', 'a grant has no key');
  return makeLockbox(key, content.patient as ResourceKey | undefined, content.labels as LabelSet, content.epoch);
}

export function encodeSecret(secret: IndexSecret, patient: ResourceKey | undefined): Buffer {
  const content: SecretContent = {
    secret: secret.toString('base64url'),
    ...(patient === undefined ? {} : { patient }),
  };
  return Buffer.from(JSON.stringify(content));
}

/** Throws `integrity` when the content is not an index secret. */
export function decodeSecret(plaintext: Buffer): { secret: IndexSecret; patient: ResourceKey | undefined } {
  const content = JSON.parse(plaintext.toString()) as SecretContent;
  const secret = Buffer.from(String(content.secret), 'base64url');
  if (secret.length !== 32) throw new GatewayError('integrity', 'a secret document has no secret');
  return { secret: secret as IndexSecret, patient: content.patient as ResourceKey | undefined };
}

/** The sealed part of a `rewrap`: what a grant or secret says, and the leaf of the document that it renews. */
export function encodeRewrap(content: Buffer, of: number): Buffer {
  const fields: unknown = JSON.parse(content.toString());
  return Buffer.from(JSON.stringify({ ...(typeof fields === 'object' ? fields : {}), of }));
}

/** Leaf of the document that a `rewrap` renews, and whether that is a grant or a secret. Throws `integrity`. */
export function decodeRewrap(plaintext: Buffer): { readonly of: LeafIndex; readonly kind: 'grant' | 'secret' } {
  const content = JSON.parse(plaintext.toString()) as Partial<GrantContent & SecretContent & { of: LeafIndex }>;
  if (content.of === undefined || !Number.isSafeInteger(content.of) || content.of < 0) {
    throw new GatewayError('integrity', 'a renewed key does not say what it renews');
  }
  return { of: content.of, kind: content.secret === undefined ? 'grant' : 'secret' };
}

/** The secret from which a gateway's own recipient tags come: bound to its origin and its index secret. */
export function recipientSecret(gatewaySecret: IndexSecret, origin: string): Buffer {
  return createHmac('sha256', gatewaySecret).update('recipient').update(origin).digest();
}

/** The n-th recipient tag: HMAC(recipient's secret, n), 32 bytes base64url. */
export function recipientTag(secret: Buffer, n: number): string {
  return numberDigest(secret, n, 'base64url');
}
