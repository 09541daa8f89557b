/**
 * Lockboxes: one random 256-bit key for patient × label set × epoch (DESIGN section 2). The id commits to the key; the
 * tag names a sealed group so that only who has the key can find or link groups (section 4).
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';
import { toBase64url } from '../core/bytes.ts';
import type { LockboxId, ResourceKey } from '../core/ids.ts';
import type { Random } from '../core/random.ts';
import type { LabelSet } from '../labels/label.ts';
import { numberDigest } from './keyed-digest.ts';

export interface Lockbox {
  readonly id: LockboxId;
  /** 32 bytes. Owned by the key cache: never logged, never sent, wiped by eviction only as far as JavaScript allows. */
  readonly key: Buffer;
  readonly keyObject: KeyObject;
  /** The patient whose lockbox this is; undefined for lockboxes of the gateway. */
  readonly patient: ResourceKey | undefined;
  readonly labels: LabelSet;
  readonly epoch: number;
}

/** SHA-256("lockbox" ‖ key), base64url. */
export function lockboxId(key: Uint8Array): LockboxId {
  return toBase64url(createHash('sha256').update('lockbox').update(key).digest()) as LockboxId;
}

export function makeLockbox(key: Buffer, patient: ResourceKey | undefined, labels: LabelSet, epoch: number): Lockbox {
  return { id: lockboxId(key), key, keyObject: createSecretKey(key), patient, labels, epoch };
}

export function newLockbox(random: Random, patient: ResourceKey | undefined, labels: LabelSet, epoch: number): Lockbox {
  return makeLockbox(random.bytes(32), patient, labels, epoch);
}

/** The n-th tag of a lockbox: HMAC-SHA256(lockbox key, u64be n), base64url of all 32 bytes. */
export function lockboxTag(lockbox: Lockbox, n: number): string {
  return numberDigest(lockbox.key, n, 'base64url');
}
