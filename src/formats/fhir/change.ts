/**
 * What a message means for one resource (DESIGN section 6). Normalisers make Changes and never read; `write/apply`
 * merges them into the current version.
 */
import type { Resource } from './resource.ts';

/**
 * A business key by which a resource is known, as unambiguous text parts: for an identifier its kind, assigner and value.
 * Compared as the full HMAC of the length-prefixed parts under the resource type.
 */
export type BusinessKey = readonly string[];

/** Placeholder for a reference to the resource of another Change of the same message, by its position. */
export function changeReference(index: number): string {
  return `change:${index}`;
}

const CHANGE_REFERENCE = /^change:(\d+)$/;

/** Position that a placeholder names; undefined for an ordinary reference. */
export function parseChangeReference(reference: string): number | undefined {
  const match = CHANGE_REFERENCE.exec(reference);
  return match ? Number(match[1]) : undefined;
}

interface ChangeBase {
  readonly type: string;
  /** Business keys, the most specific first. A resource known by any of them is the one meant; unknown: it is new. */
  readonly keys: readonly BusinessKey[];
  /**
   * Position of the Change whose Patient is this resource's subject, when the resource itself does not say so by a
   * reference (rarely needed: `subject` and `patient` references are found by themselves).
   */
  readonly patient?: number;
  /** When the source says it happened, milliseconds since 1970; an older Change of the same source does not overwrite. */
  readonly sourceTime: number;
}

/** A partial statement about a resource, from HL7 v2 or DICOM: what it does not mention stays. */
export interface MergeChange extends ChangeBase {
  readonly mode: 'merge';
  /** Elements to set, whole. `resourceType` is there, `id` and `meta` versions are not; references may be placeholders. */
  readonly set: Resource;
  /** Names of top-level elements that the source deleted (`""` of HL7 v2). */
  readonly clear?: readonly string[];
  /** Array elements whose entries are added to what stands (no duplicates), instead of replacing it. */
  readonly append?: Readonly<Record<string, readonly unknown[]>>;
  /** Elements set only when the resource is new or has none. */
  readonly initial?: Readonly<Record<string, unknown>>;
  /** Elements of `set` that a current value in one of these lists must not be replaced by: e.g. `{ status: ['finished'] }`. */
  readonly keepIf?: Readonly<Record<string, readonly unknown[]>>;
  /** Elements of `set` that replace these values even when the statement arrives late: what is completed was active before. */
  readonly advance?: Readonly<Record<string, readonly unknown[]>>;
  /**
   * Elements that are stated together (value, flags, notes of a result): what a newer statement leaves out of them is gone. A
   * statement that arrives late fills them where none of them stands (then the newer one said something of the status only), and any
   * other element that has no value, as if it had come in time. Without this it adds nothing of `set` but labels.
   */
  readonly whole?: readonly string[];
  /** Object elements whose sub-elements are set one by one, so that the others stay: e.g. `{ period: { end: '2026-03-01' } }`; `null` deletes one. */
  readonly parts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Identifiers that the resource had: entries of `identifier` with this system and value stay, as `use: old`. */
  readonly retire?: readonly { readonly system: string; readonly value: string }[];
  /** True: identifiers of `append` that stand as old ones are current again. */
  readonly revive?: boolean;
  /** Position of a Change: where both mean one resource, this one says nothing. */
  readonly unless?: number;
  /** True: keys that are known as several resources refuse the message (`conflict`), instead of the first one deciding. */
  readonly sole?: boolean;
  /**
   * The segment that is missing for a resource to begin with: where the resource is not known yet, the message is refused
   * (`required-missing` at that place).
   */
  readonly onlyKnown?: string;
  /**
   * Position of the Patient in whose record the resource lay by mistake: it and what hangs on it move to the patient that it names.
   * Where it already is that patient's, or new, nothing moves.
   */
  readonly movedFrom?: number;
  /** Positions of Changes that mean other resources than this one: where one means the same, the message is refused (`conflict`). */
  readonly apart?: readonly number[];
  /** What is said of this Patient and another: the writer keeps `link` and `active` by it, and reads go by it. */
  readonly relation?: PatientRelation;
}

/** What a source says of two Patients: one replaced the other (a merge), both are one person and in use, or they are two people. */
export interface PatientRelation {
  readonly kind: 'replaced-by' | 'seealso' | 'none';
  /** Position of the other Patient's Change. */
  readonly other: number;
}

/** A whole resource, from a FHIR create or update. */
export interface ReplaceChange extends ChangeBase {
  readonly mode: 'replace';
  readonly set: Resource;
  /** Client-chosen logical id (PUT); absent for a create, which always makes a new id. */
  readonly id?: string;
  /** `If-Match`: the version that must be current, else `precondition-failed`. */
  readonly ifVersion?: string;
  /** True: the resource may become another patient's, and the versions before are withdrawn. Only of the gateway's own moves. */
  readonly moved?: boolean;
}

/** A FHIR delete: the next version is a tombstone. */
export interface DeleteChange extends ChangeBase {
  readonly mode: 'delete';
  readonly id: string;
  readonly ifVersion?: string;
}

export type Change = MergeChange | ReplaceChange | DeleteChange;
