/**
 * A study to Changes (FHIR R4 ImagingStudy, mapping `dicom`): Patient and ImagingStudy. Codes are mapped only where the
 * object names their scheme. A study too large for one record lists fewer instances; its counts are always whole.
 */
import { codeTable } from '../../core/code-table.ts';
import { IMAGING_STUDY_MAX_BYTES } from '../../core/limits.ts';
import { changeReference, type Change } from '../../formats/fhir/change.ts';
import type { HeaderAttributes } from '../../formats/dicom/header.ts';
import { parseDtm, toFhirDate, toFhirDateTime } from '../../formats/hl7v2/dtm.ts';
import { identifierKey } from '../hl7v2/source-profile.ts';
import { instanceCount, unsignedInt, type SeriesAggregate, type StudyAggregate } from './aggregate.ts';
import { instancePatientKey } from './instance.ts';
import { displayName, humanNames } from './person-name.ts';
import { issuerSystem, patientSystem, type DicomSource } from './source.ts';

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const SNOMED = 'http://snomed.info/sct';
const IDENTIFIER_TYPE = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const DICOM_UID_SYSTEM = 'urn:dicom:uid';
/** System of a SOP class UID as a code (R4 ImagingStudy.series.instance.sopClass). */
const URI_SYSTEM = 'urn:ietf:rfc:3986';

/** (0010,0040), and what senders write instead. */
const GENDER: Readonly<Record<string, string>> = codeTable({ M: 'male', F: 'female', O: 'other', U: 'unknown' });
/** (0020,0060) to SNOMED CT. */
const LATERALITY: Readonly<Record<string, readonly [string, string]>> = codeTable({
  L: ['7771000', 'Left'],
  R: ['24028007', 'Right'],
});
/** (0008,0102) to FHIR systems (PS3.16 table 8-1). */
const SCHEMES: Readonly<Record<string, string>> = codeTable({
  SCT: SNOMED,
  LN: 'http://loinc.org',
  DCM,
  RADLEX: 'http://www.radlex.org',
  CPT4: 'http://www.ama-assn.org/go/cpt',
});

type Json = Readonly<Record<string, unknown>>;

/** Without the members that are undefined or empty arrays, which FHIR forbids. */
function compact(value: Json): Json {
  return Object.fromEntries(
    Object.entries(value).filter(
      ([, member]) => member !== undefined && !(Array.isArray(member) && member.length === 0),
    ),
  );
}

/** The identifier by which FHIR knows a study (R4 ImagingStudy, 10.14.4.1). */
export function studyIdentifierValue(studyInstanceUid: string): string {
  return `urn:oid:${studyInstanceUid}`;
}

/** DA and TM to a dateTime: with the object's offset, else the source's zone, else the date alone. */
function dateTime(
  date: string | undefined,
  time: string | undefined,
  attributes: HeaderAttributes,
  source: DicomSource,
): string | undefined {
  // Old files write the date with points and the time with colons (ACR-NEMA).
  const day = date?.split('\\', 1)[0]?.replaceAll('.', '');
  if (day === undefined || !/^\d{8}$/.test(day)) return undefined;
  const clock = time?.split('\\', 1)[0]?.replaceAll(':', '').replace(/\.$/, '') ?? '';
  const offset = /^[+-]\d{4}$/.test(attributes.TimezoneOffsetFromUTC ?? '')
    ? (attributes.TimezoneOffsetFromUTC ?? '')
    : '';
  const value = parseDtm(`${day}${/^\d{4}(\d\d)?(\.\d+)?$/.test(clock) ? `${clock}${offset}` : ''}`) ?? parseDtm(day);
  const { zone } = source.profile;
  return value && toFhirDateTime(value, zone === undefined ? {} : { zone });
}

function birthDate(text: string | undefined): string | undefined {
  const value = parseDtm(text?.replaceAll('.', '') ?? '');
  return value && toFhirDate(value);
}

function patientChange(study: StudyAggregate, source: DicomSource): Change {
  const { attributes } = study;
  const id = attributes.PatientID;
  const type = { coding: [{ system: IDENTIFIER_TYPE, code: 'MR' }] };
  return {
    mode: 'merge',
    type: 'Patient',
    keys: [instancePatientKey({ ...attributes, StudyInstanceUID: study.studyInstanceUid }, source)],
    sourceTime: study.receivedAt,
    set: { resourceType: 'Patient' },
    append: id === undefined ? {} : { identifier: [{ type, system: patientSystem(source, attributes), value: id }] },
    // A modality's copy of the demographics fills what is not known; it never overwrites the registration.
    initial: compact({
      name: humanNames(attributes.PatientName),
      gender: GENDER[attributes.PatientSex ?? ''],
      birthDate: birthDate(attributes.PatientBirthDate),
    }),
  };
}

function identifiers(study: StudyAggregate, source: DicomSource): Json[] {
  const {
    AccessionNumber,
    StudyID,
    AccessionIssuerLocal: local,
    AccessionIssuerUniversal: universal,
    AccessionIssuerUniversalType: type,
  } = study.attributes;
  const accession = {
    type: { coding: [{ system: IDENTIFIER_TYPE, code: 'ACSN' }] },
    system: issuerSystem(source, { local, universal, type }, 'ACSN'),
    value: AccessionNumber,
  };
  return [
    { system: DICOM_UID_SYSTEM, value: studyIdentifierValue(study.studyInstanceUid) },
    ...(AccessionNumber === undefined ? [] : [accession]),
    ...(StudyID === undefined ? [] : [{ use: 'secondary', value: StudyID }]),
  ];
}

function procedureCode({
  ProcedureCode,
  ProcedureCodeScheme,
  ProcedureCodeMeaning,
}: HeaderAttributes): Json | undefined {
  const system = SCHEMES[ProcedureCodeScheme ?? ''];
  const coding =
    ProcedureCode === undefined || system === undefined
      ? undefined
      : [compact({ system, code: ProcedureCode, display: ProcedureCodeMeaning })];
  return coding === undefined && ProcedureCodeMeaning === undefined
    ? undefined
    : compact({ coding, text: ProcedureCodeMeaning });
}

/** R4 wants a modality of every series; without one it is OT (other). */
function modalityOf(attributes: HeaderAttributes): Json {
  const code = attributes.Modality?.split('\\', 1)[0] ?? '';
  return { system: DCM, code: /^[A-Z0-9_]{1,16}$/.test(code) ? code : 'OT' };
}

function seriesElement(uid: string, { attributes, instances }: SeriesAggregate, source: DicomSource): Json {
  const laterality = LATERALITY[attributes.Laterality ?? ''];
  return compact({
    uid,
    number: unsignedInt(attributes.SeriesNumber),
    modality: modalityOf(attributes),
    description: attributes.SeriesDescription,
    numberOfInstances: instances.size,
    bodySite: attributes.BodyPartExamined === undefined ? undefined : { display: attributes.BodyPartExamined },
    laterality: laterality && { system: SNOMED, code: laterality[0], display: laterality[1] },
    started: dateTime(attributes.SeriesDate, attributes.SeriesTime, attributes, source),
  });
}

/** By number where there is one, then by UID: the same study is always written the same. */
function inOrder<T extends { readonly number?: number | undefined }>(
  entries: Iterable<readonly [string, T]>,
): (readonly [string, T])[] {
  const rank = (entry: T): number => entry.number ?? Number.MAX_SAFE_INTEGER;
  return [...entries].toSorted(([a, x], [b, y]) => rank(x) - rank(y) || (a < b ? -1 : a > b ? 1 : 0));
}

/** Series, then as many of their instances as fit into the bytes, in order. Series that do not fit are only counted. */
function seriesElements(study: StudyAggregate, source: DicomSource, budget: number): Json[] {
  const numbered = [...study.series].map(
    ([uid, series]) => [uid, { series, number: unsignedInt(series.attributes.SeriesNumber) }] as const,
  );
  const kept: { readonly element: Json; readonly series: SeriesAggregate }[] = [];
  let left = budget;
  for (const [uid, { series }] of inOrder(numbered)) {
    const element = seriesElement(uid, series, source);
    left -= Buffer.byteLength(JSON.stringify(element)) + 20;
    if (left < 0) break;
    kept.push({ element, series });
  }
  let full = left <= 0;
  return kept.map(({ element, series }) => {
    const instances: Json[] = [];
    for (const [uid, { sopClassUid, number }] of full ? [] : inOrder(series.instances)) {
      const instance = compact({ uid, sopClass: { system: URI_SYSTEM, code: `urn:oid:${sopClassUid}` }, number });
      left -= Buffer.byteLength(JSON.stringify(instance)) + 1;
      full = left < 0;
      if (full) break;
      instances.push(instance);
    }
    return compact({ ...element, instance: instances });
  });
}

function modalities(study: StudyAggregate): Json[] {
  const codes = new Set([...study.series.values()].map((series) => String(modalityOf(series.attributes).code)));
  return [...codes].toSorted().map((code) => ({ system: DCM, code }));
}

function imagingStudyChange(study: StudyAggregate, source: DicomSource): Change {
  const { attributes } = study;
  const referrer = displayName(attributes.ReferringPhysicianName);
  const interpreters = (attributes.NameOfPhysiciansReadingStudy ?? '')
    .split('\\')
    .map(displayName)
    .filter((name) => name !== undefined);
  const code = procedureCode(attributes);
  const head = compact({
    resourceType: 'ImagingStudy',
    identifier: identifiers(study, source),
    status: 'available',
    modality: modalities(study),
    subject: { reference: changeReference(0) },
    started: dateTime(attributes.StudyDate, attributes.StudyTime, attributes, source),
    referrer: referrer === undefined ? undefined : { display: referrer },
    interpreter: interpreters.map((display) => ({ display })),
    numberOfSeries: study.series.size,
    numberOfInstances: instanceCount(study),
    procedureCode: code === undefined ? [] : [code],
    description: attributes.StudyDescription,
  });
  const budget = IMAGING_STUDY_MAX_BYTES - Buffer.byteLength(JSON.stringify(head)) - 200;
  return {
    mode: 'merge',
    type: 'ImagingStudy',
    keys: [identifierKey(DICOM_UID_SYSTEM, studyIdentifierValue(study.studyInstanceUid))],
    sourceTime: study.receivedAt,
    set: { ...head, resourceType: 'ImagingStudy', series: seriesElements(study, source, budget) },
  };
}

/** The Changes of a study: its Patient, then the ImagingStudy that refers to it. */
export function studyChanges(study: StudyAggregate, source: DicomSource): Change[] {
  return [patientChange(study, source), imagingStudyChange(study, source)];
}
