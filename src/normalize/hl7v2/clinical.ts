/** What surrounds the segments of a patient or visit: who it is about, how it is marked, and where references go. */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import type { ChangeList } from './change-list.ts';
import type { Context, Element } from './context.ts';
import type { PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';

export interface ClinicalFrame {
  readonly context: Context;
  readonly list: ChangeList;
  readonly patient: PatientResult;
  /** Position of the Encounter. */
  readonly encounter: number | undefined;
  /** Position of the Account. */
  readonly account: number | undefined;
  readonly marks: Marks;
  /** True where the message states the visit, false where it repeats it. */
  readonly states: boolean;
  /** Milliseconds since 1970. */
  readonly sourceTime: number;
}

/** Reference to the Patient. */
export function subjectOf(frame: ClinicalFrame): Element {
  return { reference: changeReference(frame.patient.index) };
}

/** Reference to the Encounter, if there is one. */
export function encounterOf(frame: ClinicalFrame): Element | undefined {
  return frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) };
}

/** `meta` of a clinical record, for spreading; `marks` are its own. */
export function clinicalMeta(frame: ClinicalFrame, ...marks: readonly (readonly Element[])[]): Element {
  const meta = metaOf(frame.marks.all, frame.marks.clinical, ...marks);
  return meta === undefined ? {} : { meta };
}

/** `meta` of a record that says who belongs to the patient, and who pays. */
export function personalMeta(frame: ClinicalFrame): Element {
  const meta = metaOf(frame.marks.all, frame.marks.patient);
  return meta === undefined ? {} : { meta };
}

/** Key of something that its number or name tells apart inside the patient's record. */
export function ofPatient(frame: ClinicalFrame, kind: string, ...parts: readonly string[]): BusinessKey {
  return [kind, ...frame.patient.keys[0], ...parts];
}

/** Key of something that is said once in each visit; without a visit, once of the patient. */
export function ofVisit(frame: ClinicalFrame, kind: string, ...parts: readonly string[]): BusinessKey {
  const visit = frame.encounter === undefined ? undefined : frame.list.changes[frame.encounter].keys[0];
  return visit === undefined ? ofPatient(frame, kind, ...parts) : [kind, ...visit, ...parts];
}

/** What tells a coded thing from others: its first code, else its text. */
export function nameOfConcept(concept: Element): string {
  const [coding] = Array.isArray(concept.coding) ? (concept.coding as Element[]) : [];
  if (coding === undefined) return `text|${String(concept.text).toLowerCase()}`;
  return `${typeof coding.system === 'string' ? coding.system : ''}|${String(coding.code)}`;
}
