/**
 * Keyed digests by which the database knows things without their names: resource keys, alias hashes, lockbox slots,
 * message keys and search tokens. One random secret for the gateway and one for each patient; a patient's can be destroyed.
 */
import { createHmac } from 'node:crypto';
import { lengthPrefixed } from '../core/bytes.ts';
import type { AliasHash, Brand, ResourceKey } from '../core/ids.ts';
import { formatUuid, hexUuid } from '../core/random.ts';
import type { BusinessKey } from '../formats/fhir/change.ts';
import type { LabelSet } from '../labels/label.ts';
import { keyedDigest } from './keyed-digest.ts';

/** 32 random bytes. */
export type IndexSecret = Brand<Buffer, 'IndexSecret'>;

/** Where a lockbox of a patient and label set stands in the database, without naming either; UUID text. */
export type LockboxSlot = Brand<string, 'LockboxSlot'>;

function keyed(secret: IndexSecret, parts: readonly string[]): string {
  return keyedDigest(secret, parts, 'hex');
}

export function resourceKey(secret: IndexSecret, type: string, id: string): ResourceKey {
  return hexUuid(keyed(secret, ['resource', type, id])) as ResourceKey;
}

export function aliasHash(secret: IndexSecret, type: string, key: BusinessKey): AliasHash {
  return keyedDigest(secret, ['alias', type, ...key], 'base64url') as AliasHash;
}

export function lockboxSlot(
  secret: IndexSecret,
  patient: ResourceKey | undefined,
  labels: LabelSet,
  epoch: number,
): LockboxSlot {
  return hexUuid(keyed(secret, ['lockbox', patient ?? '', labels, String(epoch)])) as LockboxSlot;
}

/** Identity of a message for duplicate detection: the source's control id, and the bytes. Two UUID texts. */
export function messageKey(
  secret: IndexSecret,
  source: string,
  control: string,
  bytes: Uint8Array,
): { control: string; digest: string } {
  const digest = createHmac('sha256', secret)
    .update(lengthPrefixed(['message', source]))
    .update(bytes)
    .digest();
  return { control: hexUuid(keyed(secret, ['control', source, control])), digest: formatUuid(digest) };
}

/** The 64-bit search token of its parts: the first 8 bytes of the HMAC as a signed big-endian integer. */
export function searchToken(secret: IndexSecret, parts: readonly string[]): bigint {
  return BigInt.asIntN(64, BigInt(`0x${keyed(secret, ['token', ...parts]).slice(0, 16)}`));
}

/** How the database knows a source without its name. */
export function sourceKey(secret: IndexSecret, source: string): ResourceKey {
  return resourceKey(secret, 'Source', source);
}

/** A source's keyed 32-bit number, signed: distinguishes sources in record rows without naming them. */
export function sourceNumber(secret: IndexSecret, source: string): number {
  return Number.parseInt(keyed(secret, ['source', source]).slice(0, 8), 16) | 0;
}
