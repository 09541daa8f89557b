/**
 * SIU_S12, appointments: SCH, AIS, AIG, AIL, AIP to Appointment (maps SCH[Appointment], AIS[Appointment] ...). Who takes part:
 * `appointment-participants.ts`; when: `appointment-time.ts`.
 */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { contactsOf, participantOf, patientOf } from './appointment-participants.ts';
import { appointmentTime } from './appointment-time.ts';
import { claimedOf, claimSegments, type ClaimRule } from './claim.ts';
import { clinicalMeta, ofPatient, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, present, type Context, type Element } from './context.ts';
import { codeSystemOf, conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';
import { notesOf } from './observation.ts';
import { PATIENT_SEGMENTS, patientSegments } from './patient-segments.ts';
import { repeatedPatient, type RepeatedPatient } from './repeated-patient.ts';
import { countUnmapped, restOf, type Conversion, type Structure } from './structure.ts';
import { APPOINTMENT_REASON } from './vocabulary.ts';
import { visitObservations } from './visit-observations.ts';

const RULES: Readonly<Record<string, ClaimRule>> = codeTable({
  ...PATIENT_SEGMENTS,
  SCH: { notes: true },
  TQ1: { notes: true },
  RGS: {},
  AIS: { notes: true },
  AIG: { notes: true },
  AIL: { notes: true },
  AIP: { notes: true },
});
const RESOURCES = ['AIS', 'AIG', 'AIL', 'AIP'];
const READ_ELSEWHERE = new Set(['MSH', 'SFT', 'ARV', 'CON']);

/** Status that an event states, whatever SCH-25 says. */
const EVENT_STATUS: Readonly<Record<string, string>> = codeTable({
  S15: 'cancelled',
  // Ours: what is discontinued takes place no more.
  S16: 'cancelled',
  S17: 'entered-in-error',
  S26: 'noshow',
});
/** Table 0278, in capitals. Ours: Discontinued, Overbook. Blocked says nothing of a patient's appointment. */
const FILLER_STATUS: Readonly<Record<string, string>> = codeTable({
  PENDING: 'pending',
  WAITLIST: 'waitlist',
  BOOKED: 'booked',
  OVERBOOK: 'booked',
  STARTED: 'checked-in',
  ARRIVED: 'arrived',
  COMPLETE: 'fulfilled',
  CANCELLED: 'cancelled',
  CANCELED: 'cancelled',
  DISCONTINUED: 'cancelled',
  DELETED: 'entered-in-error',
  NOSHOW: 'noshow',
});
/** Where a status that wants a time comes without one (a no-show, a deletion of what was never known): app-3 is content with why. */
const NO_TIME: Element = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
};
const UNTIMED: Element = { _start: NO_TIME, _end: NO_TIME };
/** Statuses that R4 (app-3) lets stand without a time. */
const TIMELESS = new Set(['cancelled', 'waitlist', 'proposed']);

/** Events that change an appointment which was told before: their SCH-25 may be empty without saying that it is booked. */
const CHANGES = new Set(['S14', 'S18', 'S19', 'S20', 'S21', 'S22']);
/** Events that take a service or resource away. */
const TAKES_AWAY = new Set(['S20', 'S21', 'S22']);

/**
 * The structure of an event. An appointment of several patients is one for each of them, known by number and patient: what
 * one may see is not the other's. Throws `required-missing` without SCH or PID.
 */
export function siu(event: string): Structure {
  return (conversion) => {
    if (isOfKnown(conversion, event)) {
      knownAppointment(conversion, event);
      return;
    }
    const parts = eachPatient(conversion);
    parts.forEach((part, i) => {
      // What all of them share is counted once.
      onePatient({ ...part, unmapped: i === 0 ? conversion.unmapped : new Map() }, event, parts.length > 1);
    });
  };
}

/** A cancellation and the like without a PID: the appointment is known by its number, and so is whose it is. */
function isOfKnown({ context }: Conversion, event: string): boolean {
  const { segments } = context.message;
  return EVENT_STATUS[event] !== undefined && segments.every(({ id }) => id !== 'PID');
}

/** What the event says of an appointment that was told before. Of one that was not the message is kept in quarantine. */
function knownAppointment(conversion: Conversion, event: string): void {
  const { context, list, unmapped } = conversion;
  const claims = claimSegments(conversion, RULES);
  const [head] = claimedOf(claims, 'SCH');
  const numbers = head === undefined ? undefined : numbersIn(context, head.segment);
  if (head === undefined || numbers === undefined || numbers.keys.length === 0)
    throw missing(head === undefined ? 'SCH' : 'PID');
  for (const { id } of claims.rest) if (!READ_ELSEWHERE.has(id)) countUnmapped(unmapped, id);
  const status = EVENT_STATUS[event];
  const why = status === 'entered-in-error' ? undefined : conceptOf(context, head.segment.field(6));
  list.add({
    type: 'Appointment',
    keys: numbers.keys,
    set: { resourceType: 'Appointment', status, ...compact({ cancelationReason: why }) },
    append: { identifier: numbers.identifiers },
    onlyKnown: 'PID',
    ...(status === 'entered-in-error' && { clear: ['cancelationReason'] }),
  });
}

function missing(segment: string): GatewayError {
  return new GatewayError('required-missing', `the message has no ${segment} segment`, { expression: segment });
}

/** The message as it would be for each PID alone: what stands before the first and, from RGS on, behind the last is of all. */
function eachPatient(conversion: Conversion): readonly Conversion[] {
  const { segments } = conversion.context.message;
  const starts = segments.flatMap(({ id }, i) => (id === 'PID' ? [i] : []));
  if (starts.length < 2) return [conversion];
  const resources = segments.findIndex(({ id }, i) => i > starts[0] && (id === 'RGS' || RESOURCES.includes(id)));
  const end = resources === -1 ? segments.length : resources;
  const shared = [...segments.slice(0, starts[0]), ...segments.slice(end)];
  const before = shared.slice(0, starts[0]);
  return starts
    .filter((start) => start < end)
    .map((start, i) =>
      restOf(conversion, [...before, ...segments.slice(start, starts[i + 1] ?? end), ...shared.slice(starts[0])]),
    );
}

function onePatient(conversion: Conversion, event: string, isOfSeveral: boolean): void {
  const repeated = repeatedPatient(conversion, RULES, { event: 'planned' });
  const { group, claims, frame, orders } = repeated;
  const { conditions } = patientSegments(frame, group, claims, conversion.unmapped);
  visitObservations(conversion.context, conversion.list, group.observations, {
    ...orders,
    index: orders.patient.index,
  });
  appointmentChange(repeated, event, conditions, isOfSeveral);
}

function appointmentChange(
  { claims, frame }: RepeatedPatient,
  event: string,
  conditions: readonly number[],
  isOfSeveral: boolean,
): void {
  const { context, list } = frame;
  const [head] = claimedOf(claims, 'SCH');
  if (head === undefined) throw missing('SCH');
  const sch = head.segment;
  const resources = claims.all.filter(({ segment }) => RESOURCES.includes(segment.id));
  // An action code D says that the resource is needed no more.
  const needed = resources
    .map(({ segment }) => segment)
    .filter((segment) => firstOf(context, segment.field(2)) !== 'D');
  if (TAKES_AWAY.has(event) && needed.length === 0 && resources.length > 0)
    throw new GatewayError(
      'unsupported-event',
      `${event} names only what is taken away; with the services and resources that stay it can be converted`,
      { expression: `${resources[0].segment.id}-2` },
    );
  const time = appointmentTime(context, sch, claimedOf(claims, 'TQ1')[0]?.segment, needed);
  const stated = EVENT_STATUS[event] ?? fillerStatus(frame, sch, needed) ?? (CHANGES.has(event) ? undefined : 'booked');
  const hasTime = time.start !== undefined;
  const isNew = event === 'S12' || event === 'S13';
  const status = stated !== undefined && isNew && !hasTime && !TIMELESS.has(stated) ? 'proposed' : stated;
  const isUntimed = !hasTime && status !== undefined && !TIMELESS.has(status);
  const participant = [
    patientOf(frame, status),
    ...contactsOf(frame, sch),
    ...needed.flatMap((segment) => participantOf(frame, segment, time.start)),
  ];
  // S18 names what is added to those that are known.
  const adds = event === 'S18';
  const services = needed.filter(({ id }) => id === 'AIS').map((ais) => conceptOf(context, ais.field(3)));
  const reason = tableConcept(context, sch.field(7), '0276', APPOINTMENT_REASON);
  const comment = claims.all
    .filter(({ segment }) => ['SCH', 'TQ1', ...RESOURCES].includes(segment.id))
    .flatMap(({ notes }) => notesOf(context, notes) ?? [])
    .map(({ text }) => text)
    .join('\n');
  const ends = status === 'cancelled' || status === 'noshow';
  const why = ends ? conceptOf(context, sch.field(6)) : undefined;
  const { keys, identifiers } = numbersOf(frame, sch, isOfSeveral);
  list.add({
    type: 'Appointment',
    keys,
    patient: frame.patient.index,
    set: {
      resourceType: 'Appointment',
      ...clinicalMeta(frame),
      ...compact({
        status,
        cancelationReason: why,
        ...(!adds && { serviceType: distinct(present(services)) }),
        appointmentType: typeOf(frame, sch),
        reasonCode: reason === undefined || isType(frame, sch) ? undefined : [reason],
        reasonReference: conditions.map((index) => ({ reference: changeReference(index) })),
        ...time,
        comment: comment === '' ? undefined : comment,
        basedOn: ordersOf(frame, sch),
        ...(resources.length > 0 && !adds && { participant }),
      }),
    },
    append: {
      identifier: identifiers,
      ...(adds && { participant, serviceType: distinct(present(services)) }),
    },
    initial: { status: hasTime ? 'booked' : 'proposed', participant, ...(isUntimed && UNTIMED) },
    // Earlier times stay where a cancellation does not repeat them; what it ended is over for good only by name.
    ...(!ends && status !== undefined && { clear: ['cancelationReason'] }),
  });
}

/** SCH-25, else AIS-10. */
function fillerStatus({ context }: ClinicalFrame, sch: Segment, needed: readonly Segment[]): string | undefined {
  const services = needed.filter(({ id }) => id === 'AIS').map((ais) => ais.field(10));
  return [sch.field(25), ...services]
    .map((raw) => FILLER_STATUS[firstOf(context, raw)?.toUpperCase() ?? ''])
    .find((status) => status !== undefined);
}

/**
 * SCH-1 and SCH-2, each unique where it was given; first by number and patient, since appointments of several patients share
 * them.
 */
function numbersOf(
  frame: ClinicalFrame,
  sch: Segment,
  isOfSeveral: boolean,
): { keys: BusinessKey[]; identifiers: Element[] } {
  const { context } = frame;
  const { keys: numbers, identifiers } = numbersIn(context, sch);
  const own = numbers.map((number) => ofPatient(frame, 'appointment-of', ...number));
  const keys = isOfSeveral ? own : [...own, ...numbers];
  if (keys.length === 0)
    keys.push(['message', context.profile.name, context.controlId, 'Appointment', ...frame.patient.keys[0]]);
  return { keys, identifiers };
}

/** SCH-1 and SCH-2 where they are unique: with MSH-4. */
function numbersIn(context: Context, sch: Segment): { keys: BusinessKey[]; identifiers: Element[] } {
  const filler = eiIdentifier(context, repetitions(sch.field(2), context.by)[0] ?? '', 'FILL');
  const placer = eiIdentifier(context, repetitions(sch.field(1), context.by)[0] ?? '', 'PLAC');
  const keys = present([
    filler && facilityKey(context, 'appointment-filler', filler),
    placer && facilityKey(context, 'appointment-placer', placer),
  ]);
  return { keys, identifiers: present([placer, filler]).map(({ identifier }) => identifier) };
}

/** SCH-8, or SCH-7 where its code says that it is a type (table 0277). */
function typeOf(frame: ClinicalFrame, sch: Segment): Element | undefined {
  return conceptOf(frame.context, sch.field(isType(frame, sch) ? 7 : 8), `${V2_TABLE}0277`);
}

function isType({ context }: ClinicalFrame, sch: Segment): boolean {
  const name = components(sch.field(7), context.by)[2];
  return name !== undefined && name !== '' && codeSystemOf(context, name) === `${V2_TABLE}0277`;
}

/** SCH-26, SCH-27: by number, since the order comes by itself. */
function ordersOf(frame: ClinicalFrame, sch: Segment): Element[] {
  const { context } = frame;
  return (
    [
      [26, 'PLAC'],
      [27, 'FILL'],
    ] as const
  ).flatMap(([field, type]) =>
    repetitions(sch.field(field), context.by).flatMap((raw) => {
      const found = eiIdentifier(context, raw, type);
      return found === undefined ? [] : [{ type: 'ServiceRequest', identifier: found.identifier }];
    }),
  );
}

function distinct(concepts: readonly Element[]): Element[] {
  const seen = new Set<string>();
  return concepts.filter((concept) => {
    const text = JSON.stringify(concept);
    return seen.has(text) ? false : seen.add(text);
  });
}
