/**
 * Keyed digests by which the database knows things without their names: resource keys, alias hashes, lockbox slots,
 * message keys and search tokens. One random secret for the gateway and one for each patient; a patient's can be destroyed.
 */
import { createHmac } from 'node:crypto';
import { lengthPrefixed, toBase64url } from '../core/bytes.ts';
import type { AliasHash, Brand, ResourceKey } from '../core/ids.ts';
import { formatUuid } from '../core/random.ts';
import type { BusinessKey } from '../formats/fhir/change.ts';
import type { LabelSet } from '../labels/label.ts';

/** 32 random bytes. */
export type IndexSecret = Brand<Buffer, 'IndexSecret'>;

/** Where a lockbox of a patient and label set stands in the database, without naming either; UUID text. */
export type LockboxSlot = Brand<string, 'LockboxSlot'>;

function keyed(secret: IndexSecret, parts: readonly string[]): Buffer {
  return createHmac('sha256', secret).update(lengthPrefixed(parts)).digest();
}

export function resourceKey(secret: IndexSecret, type: string, id: string): ResourceKey {
  return formatUuid(keyed(secret, ['resource', type, id])) as ResourceKey;
}

export function aliasHash(secret: IndexSecret, type: string, key: BusinessKey): AliasHash {
  return toBase64url(keyed(secret, ['alias', type, ...key])) as AliasHash;
}

export function lockboxSlot(
  secret: IndexSecret,
  patient: ResourceKey | undefined,
  labels: LabelSet,
  epoch: number,
): LockboxSlot {
  return formatUuid(keyed(secret, ['lockbox', patient ?? '', labels, String(epoch)])) as LockboxSlot;
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
  return { control: formatUuid(keyed(secret, ['control', source, control])), digest: formatUuid(digest) };
}

/** The 64-bit search token of its parts: the first 8 bytes of the HMAC as a signed big-endian integer. */
export function searchToken(secret: IndexSecret, parts: readonly string[]): bigint {
  return keyed(secret, ['token', ...parts]).readBigInt64BE(0);
}

/** A source's keyed 32-bit number, signed: distinguishes sources in record rows without naming them. */
export function sourceNumber(secret: IndexSecret, source: string): number {
  return keyed(secret, ['source', source]).readInt32BE(0);
}
