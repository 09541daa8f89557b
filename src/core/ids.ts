/**
 * Branded identifiers. A brand is made only by the functions here and by the parse functions of the format that owns
 * it, so that a wrong kind of id does not compile.
 */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** HMAC(gateway index secret, "resource" ‖ type ‖ id), first 16 bytes, as UUID text. How the database knows a resource. */
export type ResourceKey = Brand<string, 'ResourceKey'>;

/** Full 32-byte HMAC of one business key (identifier with its assigner, order number ...), base64url. */
export type AliasHash = Brand<string, 'AliasHash'>;

/** Position of a document in the gateway's log, from 0; at most 2^40 so that `GroupNumber` stays a safe integer. */
export type LeafIndex = Brand<number, 'LeafIndex'>;

/** A payload's place: leaf of its manifest × 4096 + ordinal inside the manifest. */
export type GroupNumber = Brand<number, 'GroupNumber'>;

/** Payloads that one manifest can name. */
export const PAYLOADS_PER_MANIFEST = 4096;

export function groupNumber(leaf: LeafIndex, ordinal: number): GroupNumber {
  return (leaf * PAYLOADS_PER_MANIFEST + ordinal) as GroupNumber;
}

export function leafOfGroup(group: GroupNumber): LeafIndex {
  return Math.floor(group / PAYLOADS_PER_MANIFEST) as LeafIndex;
}

export function ordinalOfGroup(group: GroupNumber): number {
  return group % PAYLOADS_PER_MANIFEST;
}

/** SHA-256("lockbox" ‖ key), base64url: the public name of a lockbox, which commits to one key. */
export type LockboxId = Brand<string, 'LockboxId'>;

/** FHIR R4 logical id: 1 to 64 of A-Z a-z 0-9 - . */
export type LogicalId = Brand<string, 'LogicalId'>;

const LOGICAL_ID = /^[A-Za-z0-9\-.]{1,64}$/;

/** Undefined when the text is not a FHIR id (R4 datatypes, `id`). */
export function parseLogicalId(text: string): LogicalId | undefined {
  return LOGICAL_ID.test(text) ? (text as LogicalId) : undefined;
}
