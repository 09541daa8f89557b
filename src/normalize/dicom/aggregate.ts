/**
 * What is known of one study, gathered from its instance documents one by one: series, instances, and the attributes of
 * study and patient as the newest instance states them. Adding is independent of order of resends and cheap: one map
 * entry an instance.
 */
import type { HeaderAttributes, HeaderKeyword } from '../../formats/dicom/header.ts';
import type { InstanceDocument } from './instance.ts';

export interface InstanceEntry {
  readonly sopClassUid: string;
  /** (0020,0013), when it is a whole number. */
  readonly number: number | undefined;
}

export interface SeriesAggregate {
  attributes: HeaderAttributes;
  /** By SOP Instance UID. */
  readonly instances: Map<string, InstanceEntry>;
}

export interface StudyAggregate {
  readonly studyInstanceUid: string;
  attributes: HeaderAttributes;
  /** By Series Instance UID. */
  readonly series: Map<string, SeriesAggregate>;
  /** Receipt of the newest instance, milliseconds since 1970. */
  receivedAt: number;
}

/** Attributes of an instance alone, which say nothing of its series or study. */
const OF_INSTANCE: ReadonlySet<HeaderKeyword> = new Set([
  'SOPClassUID',
  'SOPInstanceUID',
  'InstanceNumber',
  'SeriesInstanceUID',
]);

export function emptyStudy(studyInstanceUid: string): StudyAggregate {
  return { studyInstanceUid, attributes: {}, series: new Map(), receivedAt: 0 };
}

/** IS (PS3.5 section 6.2) as a number that FHIR takes where it wants an unsignedInt; undefined for anything else. */
export function unsignedInt(text: string | undefined): number | undefined {
  return text !== undefined && /^\+?\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** What a later instance does not state stays as an earlier one stated it. */
function newer(known: HeaderAttributes, attributes: HeaderAttributes): HeaderAttributes {
  const merged: Partial<Record<HeaderKeyword, string>> = { ...known };
  for (const [keyword, value] of Object.entries(attributes) as [HeaderKeyword, string][]) {
    if (!OF_INSTANCE.has(keyword)) merged[keyword] = value;
  }
  return merged;
}

/** Adds an instance; the same one again changes nothing. Call in the order of the ledger. */
export function addInstance(study: StudyAggregate, document: InstanceDocument): void {
  let series = study.series.get(document.seriesInstanceUid);
  if (series === undefined) {
    series = { attributes: {}, instances: new Map() };
    study.series.set(document.seriesInstanceUid, series);
  }
  if (series.instances.has(document.sopInstanceUid)) return;
  series.instances.set(document.sopInstanceUid, {
    sopClassUid: document.sopClassUid,
    number: unsignedInt(document.attributes.InstanceNumber),
  });
  series.attributes = newer(series.attributes, document.attributes);
  study.attributes = newer(study.attributes, document.attributes);
  study.receivedAt = Math.max(study.receivedAt, document.receivedAt);
}

/** Instances of all series. */
export function instanceCount(study: StudyAggregate): number {
  let count = 0;
  for (const series of study.series.values()) count += series.instances.size;
  return count;
}
