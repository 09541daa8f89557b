/**
 * The sealed part of manifests and access batches: all that `rebuild` needs besides the payloads, as compact JSON under
 * the gateway's MANIFEST lockbox (AUDIT lockbox for access batches). Resources stand as their keyed digests, so that the
 * erasure of a patient leaves nothing here.
 */
import type { AliasHash, LeafIndex, ResourceKey } from '../core/ids.ts';
import { GatewayError } from '../core/errors.ts';

/** What kind of message a manifest stands for; `access` for a batch of access events. */
export type ManifestKind = 'hl7v2' | 'fhir' | 'dicom-instance' | 'dicom-study' | 'move' | 'access';

/** A JSON object about the message. No PHI of a patient in it: erasure does not reach it. */
export type Details = Readonly<Record<string, unknown>>;

/** Why a message was kept without anything being made of it. No PHI. */
export interface QuarantineReason {
  /** A code of `core/errors`, or of whoever quarantines: lower case, digits and dashes. */
  readonly code: string;
  /** Where in the message: `OBX[3]-5`, or in what it became: `Observation.status`. */
  readonly expression?: string;
  /** For the person who looks after it. */
  readonly text: string;
}

/** Bytes of the raw message in one payload; a longer message takes several, in order. */
export const RAW_PART_BYTES = 240_000;

/** Version 1 of the sealed part. Short names: it is stored once for each message. */
export interface ManifestContent {
  readonly kind: ManifestKind;
  /** Source name. */
  readonly source: string;
  /** Received, milliseconds since 1970. */
  readonly at: number;
  /** Source time of the message; the source time of a record where `times` does not say otherwise. */
  readonly time: number;
  /** Keyed control id, content digest and thread (UUIDs), when the message has a control id. */
  readonly message?: readonly [control: string, digest: string, thread: string | null];
  /**
   * Lockbox of each payload in order, by the leaf of its grant; -(n + 1) for the n-th document of this very message; null
   * for blobs.
   */
  readonly lockboxes: readonly (number | null)[];
  /** Bytes of the raw message; its parts are padded by newlines, which a message may end in itself. */
  readonly raw?: number;
  /** Ordinals of the payloads that hold records. The others: raw message parts, blobs, parts of this very content. */
  readonly groups: readonly number[];
  /** Ordinals of the payloads, under the same lockbox, that hold the long lists of a large message (`splitManifest`). */
  readonly more?: readonly number[];
  /** Source times of records that differ from `time`: [ordinal, line, milliseconds]. */
  readonly times?: readonly (readonly [number, number, number])[];
  readonly aliases?: readonly (readonly [AliasHash, ResourceKey])[];
  /**
   * What the message says of pairs of patients: both, number of the statement, kind, `Patient.active` before a merge (null: not
   * said), milliseconds. The link of the second to the first follows.
   */
  readonly links?: readonly (readonly [ResourceKey, ResourceKey, number, string, boolean | null, number])[];
  /** Resources of which the versions up to and with one lie in the record of a wrong patient, and are gone. */
  readonly withdrawn?: readonly (readonly [ResourceKey, number])[];
  /** What moves to another patient: anchor, from, to, id of the message that says that all is done. */
  readonly moves?: readonly (readonly [ResourceKey, ResourceKey, ResourceKey, string])[];
  /** Resources of which the message says what stands already, and when it was said, milliseconds. */
  readonly restated?: readonly (readonly [ResourceKey, number])[];
  /** Stored answer to the sender. */
  readonly answer?: string;
  /** The newest of the earlier messages of the source with the same control id and other content. */
  readonly sameControl?: LeafIndex;
  /** The message was taken and nothing made of it. */
  readonly quarantine?: QuarantineReason;
  /** Leaf of the manifest of the quarantined message that this one makes records of: its raw bytes stand there. */
  readonly reprocessOf?: LeafIndex;
  readonly details: Details;
}

export function encodeManifest(content: ManifestContent): Buffer {
  return Buffer.from(JSON.stringify(content));
}

/** Lists that have an entry for each record of a message. */
const LONG_LISTS = ['times', 'aliases', 'withdrawn', 'restated'] as const;
type LongList = (typeof LONG_LISTS)[number];

/** Entries that the long lists may have together inside of a manifest: some 170,000 bytes, of the 250,000 of a sealed group. */
const ENTRIES_INSIDE = 2_000;

/** A manifest of thousands of records does not fit into one sealed group: its long lists go into parts of their own, in order. */
export function splitManifest<C extends Pick<ManifestContent, LongList>>(
  content: C,
): { readonly content: Omit<C, LongList> & Pick<ManifestContent, LongList>; readonly parts: readonly Buffer[] } {
  const entries = LONG_LISTS.reduce((sum, name) => sum + (content[name]?.length ?? 0), 0);
  if (entries <= ENTRIES_INSIDE) return { content, parts: [] };
  const { times, aliases, withdrawn, restated, ...rest } = content;
  const lists = { times, aliases, withdrawn, restated };
  const parts = LONG_LISTS.flatMap((name) => {
    const list = lists[name] ?? [];
    return Array.from({ length: Math.ceil(list.length / ENTRIES_INSIDE) }, (_, i) =>
      Buffer.from(JSON.stringify({ [name]: list.slice(i * ENTRIES_INSIDE, (i + 1) * ENTRIES_INSIDE) })),
    );
  });
  return { content: rest, parts };
}

/** The whole content, with the lists of its parts, the plaintexts of the payloads `more`. */
export function joinManifest(content: ManifestContent, parts: readonly Buffer[]): ManifestContent {
  if (parts.length === 0) return content;
  const read = parts.map((part) => JSON.parse(part.toString()) as Pick<ManifestContent, LongList>);
  return {
    ...content,
    times: read.flatMap(({ times = [] }) => times),
    aliases: read.flatMap(({ aliases = [] }) => aliases),
    withdrawn: read.flatMap(({ withdrawn = [] }) => withdrawn),
    restated: read.flatMap(({ restated = [] }) => restated),
  };
}

/** Throws `integrity` when the plaintext is not version 1. */
export function decodeManifest(plaintext: Buffer): ManifestContent {
  const content = JSON.parse(plaintext.toString()) as ManifestContent;
  if (!Array.isArray(content.lockboxes) || !Array.isArray(content.groups)) {
    throw new GatewayError('integrity', 'a manifest is not in the form of version 1');
  }
  return content;
}
