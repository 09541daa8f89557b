/**
 * What the writer needs of a store. Implemented by `storage/pg`. Every number that names a leaf or group is a place in
 * this gateway's own log.
 */
import { GatewayError } from '../core/errors.ts';
import type { AliasHash, GroupNumber, LeafIndex, ResourceKey } from '../core/ids.ts';
import type { LockboxSlot } from '../keys/index-secret.ts';
import type { Notice } from '../record/notice.ts';

/** The current version of a resource. */
export interface HeadVersion {
  readonly resource: ResourceKey;
  readonly version: number;
  readonly group: GroupNumber;
  readonly line: number;
  /** Source and time of the newest version of the asking source; undefined when it never wrote this resource. */
  readonly ownSourceTime: number | undefined;
}

export interface Resolved {
  readonly aliases: ReadonlyMap<AliasHash, ResourceKey>;
  /** Heads of the asked resources and of those that the aliases name. */
  readonly heads: ReadonlyMap<ResourceKey, HeadVersion>;
}

export interface MessageKey {
  readonly control: string;
  readonly digest: string;
  readonly thread: string | undefined;
}

export interface StoredPayload {
  readonly group: GroupNumber;
  readonly lockbox: LeafIndex;
  /** Packed sealed group. */
  readonly body: Buffer;
}

export interface LockboxRow {
  readonly leaf: LeafIndex;
  readonly slot: LockboxSlot;
  /** Packed sealed grant, under master. */
  readonly wrap: Buffer;
}

export interface PatientRow {
  readonly patient: ResourceKey;
  /** Packed sealed secret, under master. */
  readonly wrap: Buffer;
  readonly consentLeaf: LeafIndex | undefined;
}

/** How a patient stands to another: another person, replaced by it (merged into it), the one that replaced it, or the same person with both in use. */
export type LinkKind = 'none' | 'replaced-by' | 'replaces' | 'seealso';

/** Throws `integrity` for what is none. */
export function parseLinkKind(text: string): LinkKind {
  const kind = (['none', 'replaced-by', 'replaces', 'seealso'] as const).find((known) => known === text);
  if (kind === undefined) throw new GatewayError('integrity', 'a manifest links patients in a way that is not known');
  return kind;
}

/** What stands about a pair of patients, seen from `patient`. */
export interface PatientLink {
  readonly patient: ResourceKey;
  readonly other: ResourceKey;
  /** Number of the statement about this pair, from 1; claimed by the commit. */
  readonly seq: number;
  readonly kind: LinkKind;
  /** `Patient.active` before a merge made it false; undefined: not said, or not merged. */
  readonly wasActive: boolean | undefined;
  /** When the source said so, milliseconds since 1970. */
  readonly sourceTime: number;
}

/** Reads while preparing. All of them see what is committed; none locks. Errors: `unavailable` when Postgres is away. */
export interface PrepareStore {
  resolve(aliases: readonly AliasHash[], resources: readonly ResourceKey[], source: number): Promise<Resolved>;
  payloads(groups: readonly GroupNumber[]): Promise<ReadonlyMap<GroupNumber, StoredPayload>>;
  /** Messages accepted before under this control id: keyed digest of the content, and leaf of the manifest. */
  findMessages(control: string): Promise<readonly { digest: string; leaf: LeafIndex }[]>;
  document(leaf: LeafIndex): Promise<Buffer | undefined>;
  /** What stands about every pair among these patients and all who are linked with them, from both sides; undone links too. */
  links(patients: readonly ResourceKey[]): Promise<readonly PatientLink[]>;
  /** Leaf of the manifest that reprocessed the quarantined message of a leaf; undefined while nothing did. */
  reprocessed(leaf: LeafIndex): Promise<LeafIndex | undefined>;
}

/** Keys at rest. Idempotent reads; `reserveTags` moves the counter and never hands out a number twice. */
export interface KeyStore {
  lockboxesBySlot(slots: readonly LockboxSlot[]): Promise<readonly LockboxRow[]>;
  lockboxesByLeaf(leaves: readonly LeafIndex[]): Promise<readonly LockboxRow[]>;
  patients(patients: readonly ResourceKey[]): Promise<readonly PatientRow[]>;
  /** Reserves `count` tag numbers in each lockbox; returns the first of each block. May be lost in a crash, never repeated. */
  reserveTags(leaves: readonly LeafIndex[], count: number): Promise<ReadonlyMap<LeafIndex, number>>;
}

/** Head row of the log. */
export interface LogHead {
  readonly size: number;
  readonly root: Buffer;
  /** Encoded compact range. */
  readonly compact: Buffer;
  readonly block: number;
  readonly checkpoint: string;
}

export interface DocumentRow {
  readonly digest: Buffer;
  readonly body: Buffer;
}

/** A search token of lines of a sealed group (DESIGN section 7). */
export interface TokenRow {
  /** Signed 64-bit. */
  readonly token: bigint;
  /** Milliseconds since 1970. */
  readonly sortTime: number;
  /** Ordinal of the group in `payloads`. */
  readonly payload: number;
  /** Bit mask of the lines: 0 to 31, and 32 to 63; 32-bit signed. */
  readonly low: number;
  readonly high: number;
}

/** What one prepared message or access batch puts into the group commit. Positions of its own documents are relative. */
export interface CommitItem {
  readonly documents: readonly DocumentRow[];
  /** Position in `documents` of the manifest that names the payloads. */
  readonly manifest: number;
  /** lockbox: a leaf, or a position in `documents` (negative minus one) of a grant of this very item. */
  readonly payloads: readonly {
    lockbox: LeafIndex | undefined | NewDocument;
    digest: Buffer;
    size: number;
    body: Buffer | undefined;
  }[];
  readonly lockboxes: readonly { document: number; slot: LockboxSlot; wrap: Buffer; nextTag: number }[];
  readonly patients: readonly { document: number; patient: ResourceKey; wrap: Buffer }[];
  readonly consentPatients: readonly ResourceKey[];
  readonly aliases: readonly { hash: AliasHash; resource: ResourceKey }[];
  /** `version - 1` must be the head (0: there is none). */
  readonly records: readonly {
    resource: ResourceKey;
    version: number;
    payload: number;
    line: number;
    source: number;
    sourceTime: number;
  }[];
  readonly tokens: readonly TokenRow[];
  /** Resources of which the source said again what stands: no version, but older statements of its that come later are late. */
  readonly restated?: readonly { resource: ResourceKey; version: number; source: number; sourceTime: number }[];
  /**
   * Resources at the versions that the item was prepared against and leaves as they are: the commit must look whether they still
   * stand, and whether a source has said something later of what has a next version. Absent: the item is derived from the log.
   */
  readonly reads?: readonly ReadVersion[];
  readonly message: MessageKey | undefined;
  /** New statements about pairs of patients, each from one side; the other side's row follows from it. */
  readonly links?: readonly PatientLink[];
  /** Versions of resources, with all before, that lie in the record of a wrong patient. */
  readonly withdrawn?: readonly { readonly resource: ResourceKey; readonly version: number }[];
  readonly moves?: readonly RecordMove[];
  /** The message is kept in quarantine. reason: code; source: number of the source; at: received, milliseconds. */
  readonly quarantine?: { readonly reason: string; readonly source: number; readonly at: number };
  /** Leaf of the quarantined message that this one takes out of quarantine. */
  readonly reprocessOf?: LeafIndex;
  /** Version of a source's profile that the item's last document holds. */
  readonly sourceVersion?: { readonly source: ResourceKey; readonly version: number };
  /** What another gateway has said, in the document at `manifest`. */
  readonly notice?: Notice;
  /** Wraps that take the place of older ones, after another master key: of a lockbox by its leaf, or of a patient. */
  readonly rewraps?: readonly (
    { readonly lockbox: LeafIndex; wrap: Buffer } | { readonly patient: ResourceKey; wrap: Buffer }
  )[];
  /** Fingerprint of the key set that the log belongs to from here on: processes with another one commit nothing more. */
  readonly fingerprint?: string;
}

/** A resource that was looked at: its current version then. */
export interface ReadVersion {
  readonly resource: ResourceKey;
  readonly version: number;
}

/** A commit item while it is put together. */
export type CommitItemDraft = {
  -readonly [K in keyof CommitItem]: CommitItem[K] extends readonly (infer E)[] ? E[] : CommitItem[K];
};

/** An item without anything in it. */
export function emptyItem(): CommitItemDraft {
  return {
    documents: [],
    manifest: 0,
    payloads: [],
    lockboxes: [],
    patients: [],
    consentPatients: [],
    aliases: [],
    records: [],
    tokens: [],
    message: undefined,
  };
}

/** The same statement from the side of the other patient. */
export function reversed({ patient, other, seq, kind, sourceTime }: PatientLink): PatientLink {
  const kinds = { none: 'none', 'replaced-by': 'replaces', replaces: 'replaced-by', seealso: 'seealso' } as const;
  return { patient: other, other: patient, seq, kind: kinds[kind], wasActive: undefined, sourceTime };
}

/** A visit or account that was moved to another patient, of which what hangs on it is to follow. */
export interface RecordMove {
  readonly anchor: ResourceKey;
  readonly from: ResourceKey;
  readonly to: ResourceKey;
  /** Control id, of the source MOVE_SOURCE, of the message that says that all is done; a UUID. */
  readonly id: string;
  /** The same keyed, as the table of messages has it. */
  readonly control: string;
}

/** Source of the gateway's own moves. */
export const MOVE_SOURCE = 'gateway:move';

/** A document of the same item, by its position in `documents`. */
export interface NewDocument {
  readonly document: number;
}

/**
 * A commit item of another thread as the store's own rows, places relative to its first leaf: made where the item is prepared, so
 * that the commit only puts the places in. Survives structured cloning; all views are of one ArrayBuffer, which can be transferred.
 */
export interface PackedItem {
  /** Position of the manifest among the documents. */
  readonly manifest: number;
  /** SHA-256 of each document in order, 32 bytes each. */
  readonly digests: Uint8Array;
  /**
   * What the item is the first to write, as 52 bits of each unique key: two items of one group with a claim in common are
   * not committed together. Equal by chance costs one of them another try.
   */
  readonly claims: Float64Array;
  /** Known to the store alone; its size is about that of the rows. */
  readonly rows: Uint8Array;
  /** Known to the store alone: how `rows` is divided. */
  readonly layout: readonly number[];
  /** Patients whose consents the item changes. */
  readonly consentPatients: readonly ResourceKey[];
  readonly rewraps: NonNullable<CommitItem['rewraps']>;
  readonly fingerprint: string | undefined;
  /** As `CommitItem.reads`; absent where the commit has nothing to look at besides unique keys. */
  readonly reads?: readonly ReadVersion[];
}

/** Rows of the log for one group, made from the locked head. */
export interface GroupAppend {
  readonly head: LogHead;
  readonly firstLeaf: number;
  readonly root: Buffer;
  readonly prev: Buffer;
  readonly tiles: readonly { level: number; index: number; hashes: Buffer }[];
}

/** A group's place in the tree, computed but not signed. */
export interface GrownTree {
  /** Signs the new head: only once the database has taken the group's rows, so that no tree is signed that cannot be. */
  sign(): GroupAppend;
}

/** Reads of the log inside the commit's transaction, for tiles whose hashes are not in memory. */
export interface LogReader {
  /** Digests of the documents [from, to). */
  digests(from: number, to: number): Promise<Buffer[]>;
  tile(level: number, index: number): Promise<Buffer | undefined>;
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly firstLeaf: number }
  /** Positions of items that lost a race: nothing was written; they must be prepared again. */
  | { readonly kind: 'conflict'; readonly losers: ReadonlySet<number> };

/**
 * The one transaction of a group. Locks the head row first, checks that what every item was prepared against still
 * stands, lets `append` extend the log, writes all rows. Durable on return (fsync, synchronous commit). An unknown outcome
 * (connection lost at COMMIT) is resolved by looking for the block before the error is thrown.
 */
export interface CommitStore {
  head(): Promise<LogHead>;
  /** As `PackedItem.claims`. */
  claims(item: CommitItem): readonly number[];
  commit(
    items: readonly (CommitItem | PackedItem)[],
    append: (head: LogHead, log: LogReader) => Promise<GrownTree>,
  ): Promise<CommitOutcome>;
}
