/** PV1 and PV2 to Encounter (maps PV1[Encounter], PV2[Encounter]), with our rules for the status, on which two official maps disagree. */
import { changeReference, type BusinessKey, type MergeChange } from '../../formats/fhir/change.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, isDeleted, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, codingsOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { cxIdentifier, eiIdentifier, type Identified } from './datatypes/identifier.ts';
import type { PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';
import { identifierKey } from './source-profile.ts';
import { CLASS_STATUS, ENCOUNTER_CLASS, UNKNOWN_CLASS } from './tables.ts';

const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** PV1 fields of people, with their v3-ParticipationType. */
const PARTICIPANTS: readonly (readonly [field: number, code: string, display: string])[] = [
  [7, 'ATND', 'attender'],
  [8, 'REF', 'referrer'],
  [9, 'CON', 'consultant'],
  [17, 'ADM', 'admitter'],
  [52, 'PART', 'Participation'],
];

/** PV1 fields of places, with Encounter.location.status. PV1-3 is planned for a pre-admission. */
const LOCATIONS: readonly (readonly [field: number, status: string])[] = [
  [3, 'active'],
  [6, 'completed'],
  [11, 'active'],
  [42, 'reserved'],
];

/** What the trigger event says: `context` for messages that only repeat the visit (ORU). */
export type VisitEvent = 'A01' | 'A03' | 'A04' | 'A08' | 'context';

/** Statuses that end a visit: only an event that reopens it (A13, not taken yet) may leave them. */
const ENDED = ['finished', 'cancelled', 'entered-in-error'];

/**
 * The Change of the visit; undefined when the message has no visit: PV1-2 `N`, or nothing to know it by and no event that
 * begins or ends one.
 */
export function encounterChange(
  context: Context,
  list: ChangeList,
  segments: { pv1: Segment; pv2: Segment | undefined },
  patient: PatientResult,
  event: VisitEvent,
  marks: Marks,
): number | undefined {
  const { pv1, pv2 } = segments;
  const identifiers = visitIdentifiers(context, pv1);
  const keys = visitKeys(context, pv1, identifiers, patient, event);
  if (keys === undefined) return undefined;
  const patientClass = firstOf(context, pv1.field(2));
  const discharged = dateTimeOf(context, pv1.field(45), 'PV1-45');
  const status = visitStatus(event, patientClass, discharged !== undefined);
  const elements = visitElements(context, list, pv1, pv2, patientClass);
  const subject = { reference: changeReference(patient.index) };
  const meta = metaOf(marks.all, marks.encounter);
  const unsaid = { status: status.initial, class: UNKNOWN_CLASS };
  const append = { identifier: identifiers.map(({ identifier }) => identifier) };
  const parts = partsOf(context, pv1, discharged);
  const set = { resourceType: 'Encounter', ...(meta && { meta }), subject };
  if (event === 'context') {
    return list.add({
      type: 'Encounter',
      keys,
      set,
      append,
      initial: { ...elements, ...unsaid, ...compact({ ...parts }), class: elements.class ?? UNKNOWN_CLASS },
    });
  }
  const change: Omit<MergeChange, 'mode' | 'sourceTime'> = {
    type: 'Encounter',
    keys,
    set: { ...set, ...elements, ...(status.set !== undefined && { status: status.set }) },
    append,
    initial: unsaid,
    parts,
    keepIf: { status: ENDED.filter((ended) => ended !== status.set) },
    clear: deletedElements(pv1),
  };
  return list.add(change);
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
  event: VisitEvent,
): BusinessKey[] | undefined {
  if (identifiers.length > 0) {
    const facility = components(context.message.msh.field(4), context.by);
    const sender = textOf(context, facility[1]) ?? textOf(context, facility[0]) ?? '';
    return identifiers.map(({ system, value, identifier }) =>
      identifier.assigner === undefined && system.startsWith(context.profile.assigner)
        ? ['visit', sender, system, value]
        : identifierKey(system, value),
    );
  }
  if (firstOf(context, pv1.field(2)) === 'N') return undefined;
  const admitted = firstOf(context, pv1.field(44));
  if (admitted !== undefined) return [['visit-of', ...patient.keys[0], admitted]];
  if (event === 'context' || event === 'A08') return undefined;
  return [['message', context.profile.name, context.controlId, 'Encounter']];
}

/**
 * The status a message states, and the one a visit begins with that was not known. PV1-45 ends a visit whatever the event;
 * A08 and copies state nothing, so that an update never reopens a discharged visit; A04 is an arrival (chapter 3), which the
 * class map says too and the event map ("planned") does not.
 */
function visitStatus(
  event: VisitEvent,
  patientClass: string | undefined,
  discharged: boolean,
): { set: string | undefined; initial: string } {
  const byClass = CLASS_STATUS[patientClass ?? ''] ?? 'in-progress';
  if (discharged || event === 'A03') return { set: 'finished', initial: 'finished' };
  if (event === 'A01' || event === 'A04') return { set: byClass, initial: byClass };
  return { set: undefined, initial: patientClass === undefined ? 'unknown' : byClass };
}

function visitElements(
  context: Context,
  list: ChangeList,
  pv1: Segment,
  pv2: Segment | undefined,
  patientClass: string | undefined,
): Element {
  const participant = PARTICIPANTS.flatMap(([field, code, display]) =>
    repetitions(pv1.field(field), context.by).flatMap((raw) => {
      const individual = list.practitioner(context, raw);
      return individual === undefined
        ? []
        : [{ type: [{ coding: [{ system: PARTICIPATION, code, display }] }], individual }];
    }),
  );
  const location = LOCATIONS.flatMap(([field, status]) => {
    const place = placeOf(context, pv1.field(field));
    return place === undefined
      ? []
      : [{ location: place, status: field === 3 && patientClass === 'P' ? 'planned' : status }];
  });
  const admissionType = conceptOf(context, pv1.field(4), `${V2_TABLE}0007`);
  const reason = conceptOf(context, pv2?.field(3));
  return compact({
    class:
      patientClass === undefined
        ? undefined
        : (ENCOUNTER_CLASS[patientClass] ?? codingsOf(context, pv1.field(2), `${V2_TABLE}0004`)[0]),
    type: admissionType === undefined ? undefined : [admissionType],
    serviceType: conceptOf(context, pv1.field(10), `${V2_TABLE}0069`),
    priority: conceptOf(context, pv2?.field(25), `${V2_TABLE}0217`),
    participant,
    reasonCode: reason === undefined ? undefined : [reason],
    location,
  });
}

/** Elements whose sub-elements arrive with different events: the discharge does not repeat the admission. */
function partsOf(context: Context, pv1: Segment, discharged: string | undefined): Record<string, Element> {
  const admitted = dateTimeOf(context, pv1.field(44), 'PV1-44');
  const preAdmission = cxIdentifier(context, pv1.field(5), 'PRN', 'PV1-5');
  const destination = textOf(context, components(pv1.field(37), context.by)[0]);
  const hospitalization = compact({
    preAdmissionIdentifier: preAdmission?.identifier,
    admitSource: conceptOf(context, pv1.field(14), `${V2_TABLE}0023`),
    reAdmission: conceptOf(context, pv1.field(13), `${V2_TABLE}0092`),
    dietPreference: conceptsOf(context, pv1.field(38), '0114'),
    specialCourtesy: conceptsOf(context, pv1.field(16), '0099'),
    specialArrangement: conceptsOf(context, pv1.field(15), '0009'),
    destination: destination === undefined ? undefined : { display: destination },
    dischargeDisposition: conceptOf(context, pv1.field(36), `${V2_TABLE}0112`),
  });
  const period = compact({ start: admitted, end: discharged });
  return {
    ...(Object.keys(period).length > 0 && { period }),
    ...(Object.keys(hospitalization).length > 0 && { hospitalization }),
  };
}

function conceptsOf(context: Context, raw: string, table: string): Element[] | undefined {
  const concepts = present(
    repetitions(raw, context.by).map((repetition) => conceptOf(context, repetition, V2_TABLE + table)),
  );
  return concepts.length === 0 ? undefined : concepts;
}

/** PL as a reference by text and, where PL-10 gives one, identifier. Locations are not resources of their own yet. */
function placeOf(context: Context, raw: string): Element | undefined {
  if (raw === '' || isDeleted(raw)) return undefined;
  const parts = components(raw, context.by).map((part) => textOf(context, subcomponents(part, context.by)[0]));
  const [pointOfCare, room, bed, facility] = parts;
  const building = parts[6];
  const floor = parts[7];
  const spot = [pointOfCare, room, bed].filter((part) => part !== undefined).join(' ');
  const display = [spot === '' ? undefined : spot, floor, building, facility, parts[8]]
    .filter((part) => part !== undefined)
    .join(', ');
  const identifier = eiIdentifier(context, components(raw, context.by)[9] ?? '', '')?.identifier;
  return display === '' && identifier === undefined
    ? undefined
    : compact({ identifier, display: display === '' ? undefined : display });
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
