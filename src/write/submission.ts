/**
 * What the services hand to the writer, and what they get back. One Submission is one message: all that it causes is
 * in one group commit, all or nothing. The writer resolves, applies, validates, labels, seals, indexes and anchors.
 */
import type { GroupNumber, LeafIndex, ResourceKey } from '../core/ids.ts';
import type { BusinessKey, Change } from '../formats/fhir/change.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import type { LabelSet } from '../labels/label.ts';
import type { Details, ManifestKind, QuarantineReason } from '../record/manifest.ts';
import type { ContentType } from '../record/sealed-group.ts';

export type SubmissionKind = Exclude<ManifestKind, 'access'>;

/** A blob that is already durable in the blob store. Its key is not here: it belongs into `raw` (sealed) or into a record. */
export interface BlobReference {
  /** SHA-256 of the ciphertext, 32 bytes. */
  readonly digest: Buffer;
  /** Ciphertext bytes. */
  readonly size: number;
  /** Position of the Change that keeps the blob's key: the manifest names the blob only when that creates its resource. */
  readonly change?: number;
}

/** What one change is about, for the access decision on writes by clients. */
export interface WriteTarget {
  readonly interaction: 'create' | 'update' | 'delete';
  readonly type: string;
  readonly id: string;
  /** The patient that the record belongs to; undefined for directory resources. */
  readonly patient: ResourceKey | undefined;
  readonly labels: LabelSet;
  /** The new content; undefined for a delete. */
  readonly resource: StoredResource | undefined;
  /** The version it replaces. */
  readonly current: StoredResource | undefined;
  /** Label set of the replaced version. */
  readonly currentLabels: LabelSet | undefined;
}

export interface Submission {
  readonly kind: SubmissionKind;
  /** Name of the configured source, or `client:<id>` for FHIR clients. Not PHI. */
  readonly source: string;
  /** The source's id of the message (MSH-10). With it a resend of the same bytes replays the stored answer. */
  readonly control?: string;
  /**
   * The message as it came, sealed as a payload in the RAW lockbox of its patient (the daily RAW lockbox of the gateway
   * where no patient is known). For DICOM instances: JSON of the header attributes and the blob's key; the study's
   * submission then writes each instance as an internal record of type `DicomInstance` (subject, UIDs, transfer syntax,
   * blob digest, size and key; business key `['sop', uid]`), so that the blob's key lies in the patient's lockbox. Internal
   * types are never served over FHIR.
   */
  readonly raw?: { readonly bytes: Buffer; readonly contentType: ContentType };
  /**
   * What the duplicate check compares instead of `raw`, where `raw` holds something fresh (a blob's key). DICOM: SHA-256 of
   * transfer syntax and data set. The writer keeps only its keyed digest.
   */
  readonly content?: Uint8Array;
  /** True: a `control` seen before with other content is refused (`conflict`) instead of taken as a new message. */
  readonly uniqueControl?: boolean;
  /**
   * What the message belongs to besides its patient, so that a follower can enumerate it (DICOM: `['study', UID]`). The
   * writer keeps only the keyed hash of it beside the message.
   */
  readonly thread?: BusinessKey;
  /** Patient business keys when there are no changes that say whose message this is. */
  readonly about?: readonly BusinessKey[];
  readonly blobs?: readonly BlobReference[];
  readonly changes: readonly Change[];
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  /** When the source says the message was made, milliseconds since 1970. */
  readonly sourceTime: number;
  /** Sealed into the manifest under the gateway's MANIFEST lockbox. */
  readonly details: Details;
  /** Makes the answer that is stored with the message and replayed to a resend (an HL7 acknowledgement, ASCII or UTF-8). */
  readonly answer?: (results: readonly Result[]) => string;
  /** The message is kept as it came, without changes: anchored and listed, to be reprocessed later. */
  readonly quarantine?: QuarantineReason;
  /** Leaf of a quarantined message, which this submission makes records of. The second of two is answered as a replay. */
  readonly reprocessOf?: LeafIndex;
  /** Decides on every target of the message; throws GatewayError to refuse the whole message. Absent for trusted sources. */
  readonly authorize?: (targets: readonly WriteTarget[]) => Promise<void>;
  /** True: resources that fail R4 validation refuse the message (`invalid-content`). */
  readonly validate?: boolean;
}

export type ResultOutcome = 'created' | 'updated' | 'deleted' | 'unchanged' | 'stale';

/** What became of one change, in the order of `Submission.changes`. */
export interface Result {
  readonly outcome: ResultOutcome;
  readonly type: string;
  readonly id: string;
  readonly versionId: string;
  /** Instant of the current version, ISO 8601 UTC. */
  readonly lastUpdated: string;
  /** The version as stored; undefined after a delete. */
  readonly resource: StoredResource | undefined;
  /** Place of the version; undefined only while it is not committed. */
  readonly group?: GroupNumber;
}

export interface Accepted {
  /** Leaf of the manifest that anchors the message: durable when this is returned. */
  readonly leaf: LeafIndex;
  /** True when the same message had been accepted before and nothing was changed. */
  readonly replayed: boolean;
  /** The newest of the earlier messages of the source that came under the same control id with other content. */
  readonly sameControl?: LeafIndex;
  readonly answer: string | undefined;
  /** Empty for a replay. */
  readonly results: readonly Result[];
}

/** The writer. Durable on return; retries lost races itself; throws GatewayError for what cannot be taken. */
export interface Writer {
  submit(submission: Submission): Promise<Accepted>;
}
