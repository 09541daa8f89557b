/** PV1 and PV2 to Encounter (maps PV1[Encounter], PV2[Encounter]), with our rules for the status, on which two official maps disagree. */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey, type MergeChange } from '../../formats/fhir/change.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import {
  compact,
  dateTimeOf,
  extension,
  firstOf,
  isDeleted,
  periodOf,
  present,
  textOf,
  type Context,
  type Element,
} from './context.ts';
import { conceptOf, codingsOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { cxIdentifier, type Identified } from './datatypes/identifier.ts';
import { episodeChange } from './episode-of-care.ts';
import { facilityKey } from './facility-key.ts';
import type { PatientResult } from './patient.ts';
import { locationOf } from './location.ts';
import { placeOf } from './place.ts';
import { roleParticipants, rolesOf } from './role.ts';
import { metaOf, type Marks } from './security.ts';
import { CLASS_STATUS, ENCOUNTER_CLASS, UNKNOWN_CLASS } from './tables.ts';
import { AMBULATORY_STATUS, ENCOUNTER_PRIORITY, HOSPITAL_SERVICE } from './vocabulary.ts';
import { visitRule, type VisitEvent, type VisitRule } from './visit-event.ts';

const R5 = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.';
const ARRIVAL = 'http://hl7.org/fhir/StructureDefinition/encounter-modeOfArrival';
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** PV1 fields of people, with their v3-ParticipationType. */
const PARTICIPANTS: readonly (readonly [field: number, code: string, display: string])[] = [
  [7, 'ATND', 'attender'],
  [8, 'REF', 'referrer'],
  [9, 'CON', 'consultant'],
  [17, 'ADM', 'admitter'],
  [52, 'PART', 'Participation'],
];

/** Of a table without a map. */
const UNMAPPED: Readonly<Record<string, Element>> = codeTable({});

const REFERRER: Element = { system: PARTICIPATION, code: 'REF', display: 'referrer' };

/** Statuses that PV1-45 does not end. */
const WITHDRAWN = ['cancelled', 'entered-in-error'];

/** PV1 fields of places, with Encounter.location.status. PV1-3 is planned for a pre-admission. */
const LOCATIONS: readonly (readonly [field: number, status: string])[] = [
  [3, 'active'],
  [6, 'completed'],
  [11, 'active'],
  // Ours: the guide keeps it in a history of visits, which R4 has none of.
  [43, 'completed'],
  [42, 'reserved'],
];

/**
 * The Change of the visit; undefined when the message has no visit: PV1-2 `N`, or nothing to know it by and no event that
 * begins or ends one.
 */
export function encounterChange(
  context: Context,
  list: ChangeList,
  segments: { pv1: Segment; pv2: Segment | undefined; roles?: readonly Segment[] },
  patient: PatientResult,
  event: VisitEvent,
  marks: Marks,
): number | undefined {
  const { pv1 } = segments;
  const rule = visitRule(event);
  const identifiers = visitIdentifiers(context, pv1);
  const keys = visitKeys(context, pv1, identifiers, patient, rule);
  if (keys === undefined) return undefined;
  const patientClass = firstOf(context, pv1.field(2));
  const discharged = rule.takesBack === true ? undefined : dateTimeOf(context, pv1.field(45), 'PV1-45');
  const status = visitStatus(rule, patientClass, discharged !== undefined);
  const elements = visitElements(context, list, segments, patientClass, rule);
  const subject = { reference: changeReference(patient.index) };
  const meta = metaOf(marks.all, marks.encounter);
  const unsaid = { status: status.initial, class: UNKNOWN_CLASS };
  const append = { identifier: identifiers.map(({ identifier }) => identifier) };
  const parts = partsOf(context, pv1, discharged);
  const set = { resourceType: 'Encounter', ...(meta && { meta }), subject };
  if (rule.repeats === true) {
    return list.add({
      type: 'Encounter',
      keys,
      set,
      append,
      initial: { ...elements, ...unsaid, ...compact({ ...parts }), class: elements.class ?? UNKNOWN_CLASS },
    });
  }
  const episode = episodeChange(context, list, pv1, patient, marks);
  const episodeOfCare = episode === undefined ? {} : { episodeOfCare: [{ reference: changeReference(episode) }] };
  const change: Omit<MergeChange, 'mode' | 'sourceTime'> = {
    type: 'Encounter',
    keys,
    set: { ...set, ...elements, ...episodeOfCare, ...(status.set !== undefined && { status: status.set }) },
    append,
    initial: unsaid,
    parts: rule.reopens === true ? reopened(parts) : parts,
    // A status that was only planned or guessed was there before, even when this arrives late.
    ...(status.set !== undefined && status.set !== 'planned' && { advance: { status: ['planned', 'unknown'] } }),
    keepIf: { status: discharged === undefined ? rule.keeps : WITHDRAWN },
    clear: deletedElements(pv1),
    // What a newer event left out (diagnoses of a visit, say) an older one fills in that arrives after it.
    whole: [],
  };
  return list.add(change);
}

/** What a discharge said is gone. */
function reopened(parts: Readonly<Record<string, Element>>): Record<string, Element> {
  return {
    period: { ...parts.period, end: null },
    hospitalization: { ...parts.hospitalization, dischargeDisposition: null, destination: null },
  };
}

function visitIdentifiers(context: Context, pv1: Segment): Identified[] {
  return present([
    cxIdentifier(context, repetitions(pv1.field(19), context.by)[0] ?? '', 'VN', 'PV1-19'),
    ...repetitions(pv1.field(50), context.by).map((raw) => cxIdentifier(context, raw, 'VN', 'PV1-50')),
  ]);
}

/**
 * Visits are known by number and facility: a number whose assigner is not said is one of the sending facility (MSH-4).
 * Without a number, by patient and time of admission; without that, an admission is a visit of its own.
 */
function visitKeys(
  context: Context,
  pv1: Segment,
  identifiers: readonly Identified[],
  patient: PatientResult,
  rule: VisitRule,
): BusinessKey[] | undefined {
  if (identifiers.length > 0) return identifiers.map((identifier) => facilityKey(context, 'visit', identifier));
  if (firstOf(context, pv1.field(2)) === 'N') return undefined;
  const admitted = firstOf(context, pv1.field(44));
  if (admitted !== undefined) return [['visit-of', ...patient.keys[0], admitted]];
  return rule.begins === true ? [['message', context.profile.name, context.controlId, 'Encounter']] : undefined;
}

/**
 * The status a message states, and the one a visit begins with that was not known. PV1-45 ends a visit whatever the event;
 * A08 and copies state nothing, so that an update never reopens a discharged visit; A04 is an arrival (chapter 3), which the
 * class map says too and the event map ("planned") does not.
 */
function visitStatus(
  rule: VisitRule,
  patientClass: string | undefined,
  discharged: boolean,
): { set: string | undefined; initial: string } {
  if (discharged) return { set: 'finished', initial: 'finished' };
  const byClass = CLASS_STATUS[patientClass ?? ''] ?? 'in-progress';
  if (rule.status === undefined) return { set: undefined, initial: patientClass === undefined ? 'unknown' : byClass };
  const status = rule.status === 'class' ? byClass : rule.status;
  return { set: status, initial: status };
}

function visitElements(
  context: Context,
  list: ChangeList,
  { pv1, pv2, roles }: { pv1: Segment; pv2: Segment | undefined; roles?: readonly Segment[] },
  patientClass: string | undefined,
  rule: VisitRule,
): Element {
  const named = PARTICIPANTS.flatMap(([field, code, display]) =>
    repetitions(pv1.field(field), context.by).flatMap((raw) => {
      const individual = list.practitioner(context, raw);
      return individual === undefined
        ? []
        : [{ type: [{ coding: [{ system: PARTICIPATION, code, display }] }], individual }];
    }),
  );
  const isPlanned = rule.status === 'planned' || patientClass === 'P';
  const location = LOCATIONS.flatMap(([field, status]) => {
    const raw = rule.withoutPlaces?.includes(field) === true ? '' : pv1.field(field);
    // A copy is no directory of places: it names them by text.
    const place =
      rule.repeats === true
        ? placeOf(context, raw)
        : locationOf(context, list, raw, field === 3 ? pv1.field(40) : undefined);
    return place === undefined ? [] : [{ location: place, status: field === 3 && isPlanned ? 'planned' : status }];
  });
  const source = repetitions(pv2?.field(13) ?? '', context.by).flatMap((raw) => {
    const individual = list.practitioner(context, raw);
    return individual === undefined ? [] : [{ type: [{ coding: [REFERRER] }], individual }];
  });
  const participant = [...named, ...source, ...roleParticipants(rolesOf(context, list, roles ?? []))];
  const admissionType = conceptOf(context, pv1.field(4), `${V2_TABLE}0007`);
  const described = textOf(context, pv2?.field(12));
  const reasons = present([
    conceptOf(context, pv2?.field(3)),
    described === undefined ? undefined : { text: described },
  ]);
  return compact({
    class:
      patientClass === undefined
        ? undefined
        : (ENCOUNTER_CLASS[patientClass] ?? codingsOf(context, pv1.field(2), `${V2_TABLE}0004`)[0]),
    type: admissionType === undefined ? undefined : [admissionType],
    serviceType: tableConcept(context, pv1.field(10), '0069', HOSPITAL_SERVICE),
    priority: tableConcept(context, pv2?.field(25), '0217', ENCOUNTER_PRIORITY),
    participant,
    reasonCode: reasons,
    location,
    length: lengthOfStay(context, pv2),
    extension: plans(context, pv2),
  });
}

/** PV2-11, days. */
function lengthOfStay(context: Context, pv2: Segment | undefined): Element | undefined {
  const text = firstOf(context, pv2?.field(11));
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  return { value: Number(text), unit: 'd', system: 'http://unitsofmeasure.org', code: 'd' };
}

/** PV2-8, PV2-9: when admission and discharge are expected (R5 elements); PV2-38: how the patient came. */
function plans(context: Context, pv2: Segment | undefined): Element[] {
  if (pv2 === undefined) return [];
  return present([
    extension(`${R5}plannedStartDate`, 'valueDateTime', dateTimeOf(context, pv2.field(8), 'PV2-8')),
    extension(`${R5}plannedEndDate`, 'valueDateTime', dateTimeOf(context, pv2.field(9), 'PV2-9')),
    extension(ARRIVAL, 'valueCoding', codingsOf(context, pv2.field(38), `${V2_TABLE}0430`)[0]),
  ]);
}

/** Elements whose sub-elements arrive with different events: the discharge does not repeat the admission. */
function partsOf(context: Context, pv1: Segment, discharged: string | undefined): Record<string, Element> {
  const ended = discharged === undefined ? undefined : pv1.field(45);
  const preAdmission = cxIdentifier(context, pv1.field(5), 'PRN', 'PV1-5');
  const hospitalization = compact({
    preAdmissionIdentifier: preAdmission?.identifier,
    admitSource: conceptOf(context, pv1.field(14), `${V2_TABLE}0023`),
    reAdmission: conceptOf(context, pv1.field(13), `${V2_TABLE}0092`),
    dietPreference: conceptsOf(context, pv1.field(38), '0114'),
    specialCourtesy: conceptsOf(context, pv1.field(16), '0099'),
    specialArrangement: conceptsOf(context, pv1.field(15), '0009', AMBULATORY_STATUS),
    destination: destinationOf(context, pv1.field(37)),
    dischargeDisposition: conceptOf(context, pv1.field(36), `${V2_TABLE}0112`),
  });
  const period = periodOf(context, pv1.field(44), ended, 'PV1-44');
  return {
    ...(period && { period }),
    ...(Object.keys(hospitalization).length > 0 && { hospitalization }),
  };
}

/** DLD: a code, with the words for it as subcomponents since 2.6. */
function destinationOf(context: Context, raw: string): Element | undefined {
  const [code, text] = subcomponents(components(raw, context.by)[0] ?? '', context.by);
  const display = textOf(context, text) ?? textOf(context, code);
  return display === undefined ? undefined : { display };
}

function conceptsOf(
  context: Context,
  raw: string,
  table: string,
  map: Readonly<Record<string, Element>> = UNMAPPED,
): Element[] | undefined {
  const concepts = present(
    repetitions(raw, context.by).map((repetition) => tableConcept(context, repetition, table, map)),
  );
  return concepts.length === 0 ? undefined : concepts;
}

function deletedElements(pv1: Segment): string[] {
  const deleted: string[] = [];
  if (isDeleted(pv1.field(4))) deleted.push('type');
  if (isDeleted(pv1.field(10))) deleted.push('serviceType');
  if (
    PARTICIPANTS.some(([field]) => isDeleted(pv1.field(field))) &&
    PARTICIPANTS.every(([field]) => pv1.field(field) === '' || isDeleted(pv1.field(field)))
  ) {
    deleted.push('participant');
  }
  if (isDeleted(pv1.field(3)) && LOCATIONS.every(([field]) => pv1.field(field) === '' || isDeleted(pv1.field(field))))
    deleted.push('location');
  return deleted;
}
