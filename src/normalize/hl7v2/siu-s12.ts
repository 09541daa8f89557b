/** SIU_S12, appointments: SCH, AIS, AIG, AIL, AIP to Appointment (maps SCH[Appointment], AIS[Appointment] ...). */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { appointmentTime, resourcePeriod } from './appointment-time.ts';
import { claimedOf, type ClaimRule } from './claim.ts';
import { clinicalMeta, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, present, type Element } from './context.ts';
import { codeSystemOf, conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';
import { locationOf } from './location.ts';
import { notesOf } from './observation.ts';
import { PATIENT_SEGMENTS, patientSegments } from './patient-segments.ts';
import { repeatedPatient, type RepeatedPatient } from './repeated-patient.ts';
import type { Structure } from './structure.ts';
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
/** Table 0278 to AppointmentParticipant.status. */
const PARTICIPANT_STATUS: Readonly<Record<string, string>> = codeTable({
  CANCELLED: 'declined',
  DELETED: 'declined',
  PENDING: 'needs-action',
  WAITLIST: 'needs-action',
});
/** Statuses that R4 (app-3) lets stand without a time. */
const TIMELESS = new Set(['cancelled', 'waitlist', 'proposed']);

/** The structure of an event. Throws `required-missing` without SCH or PID. */
export function siu(event: string): Structure {
  return (conversion) => {
    const repeated = repeatedPatient(conversion, RULES, { event: 'planned' });
    const { group, claims, frame, orders } = repeated;
    const { conditions } = patientSegments(frame, group, claims, conversion.unmapped);
    visitObservations(conversion.context, conversion.list, group.observations, {
      ...orders,
      index: orders.patient.index,
    });
    appointmentChange(repeated, event, conditions);
  };
}

function appointmentChange({ claims, frame }: RepeatedPatient, event: string, conditions: readonly number[]): void {
  const { context, list } = frame;
  const [head] = claimedOf(claims, 'SCH');
  if (head === undefined)
    throw new GatewayError('required-missing', 'the message has no SCH segment', { expression: 'SCH' });
  const sch = head.segment;
  const resources = claims.all.filter(({ segment }) => RESOURCES.includes(segment.id));
  // An action code D says that the resource is needed no more.
  const needed = resources
    .map(({ segment }) => segment)
    .filter((segment) => firstOf(context, segment.field(2)) !== 'D');
  const time = appointmentTime(context, sch, claimedOf(claims, 'TQ1')[0]?.segment, needed);
  const filler = FILLER_STATUS[firstOf(context, sch.field(25))?.toUpperCase() ?? ''];
  const stated = EVENT_STATUS[event] ?? filler ?? (event === 'S14' ? undefined : 'booked');
  const hasTime = time.start !== undefined;
  const isNew = event === 'S12' || event === 'S13';
  const status = stated !== undefined && isNew && !hasTime && !TIMELESS.has(stated) ? 'proposed' : stated;
  const participant = [
    patientOf(frame, status),
    ...contactsOf(frame, sch),
    ...needed.flatMap((segment) => participantOf(frame, segment)),
  ];
  const services = needed.filter(({ id }) => id === 'AIS').map((ais) => conceptOf(context, ais.field(3)));
  const reason = conceptOf(context, sch.field(7), `${V2_TABLE}0276`);
  const comment = claims.all
    .filter(({ segment }) => ['SCH', 'TQ1', ...RESOURCES].includes(segment.id))
    .flatMap(({ notes }) => notesOf(context, notes) ?? [])
    .map(({ text }) => text)
    .join('\n');
  const ends = status === 'cancelled' || status === 'noshow';
  const why = ends ? conceptOf(context, sch.field(6)) : undefined;
  const { keys, identifiers } = numbersOf(frame, sch);
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
        serviceType: distinct(present(services)),
        appointmentType: typeOf(frame, sch),
        reasonCode: reason === undefined || isType(frame, sch) ? undefined : [reason],
        reasonReference: conditions.map((index) => ({ reference: changeReference(index) })),
        ...time,
        comment: comment === '' ? undefined : comment,
        basedOn: ordersOf(frame, sch),
        ...(resources.length > 0 && { participant }),
      }),
    },
    append: { identifier: identifiers },
    initial: { status: hasTime ? 'booked' : 'proposed', participant },
    // Earlier times stay where a cancellation does not repeat them; what it ended is over for good only by name.
    ...(!ends && status !== undefined && { clear: ['cancelationReason'] }),
  });
}

/** SCH-1 and SCH-2, each unique where it was given. */
function numbersOf(frame: ClinicalFrame, sch: Segment): { keys: BusinessKey[]; identifiers: Element[] } {
  const { context } = frame;
  const filler = eiIdentifier(context, repetitions(sch.field(2), context.by)[0] ?? '', 'FILL');
  const placer = eiIdentifier(context, repetitions(sch.field(1), context.by)[0] ?? '', 'PLAC');
  const keys = present([
    filler && facilityKey(context, 'appointment-filler', filler),
    placer && facilityKey(context, 'appointment-placer', placer),
  ]);
  if (keys.length === 0) keys.push(['message', context.profile.name, context.controlId, 'Appointment']);
  return { keys, identifiers: present([placer, filler]).map(({ identifier }) => identifier) };
}

function patientOf(frame: ClinicalFrame, status: string | undefined): Element {
  const open = status === 'pending' || status === 'proposed' || status === 'waitlist';
  return { actor: subjectOf(frame), status: open ? 'needs-action' : 'accepted' };
}

/** SCH-12, 16, 20: who asked, who filled, who typed. */
function contactsOf(frame: ClinicalFrame, sch: Segment): Element[] {
  const { context, list } = frame;
  const kinds = [
    [12, 'placer contact'],
    [16, 'filler contact'],
    [20, 'enterer'],
  ] as const;
  return kinds.flatMap(([field, text]) =>
    repetitions(sch.field(field), context.by).flatMap((raw) => {
      const actor = list.practitioner(context, raw);
      return actor === undefined ? [] : [{ type: [{ text }], actor, status: 'accepted' }];
    }),
  );
}

/** AIG, AIL, AIP; AIS is a service, not a participant. */
function participantOf(frame: ClinicalFrame, segment: Segment): Element[] {
  const { context } = frame;
  if (segment.id === 'AIS') return [];
  const actor = actorOf(frame, segment);
  const kind = conceptOf(context, segment.field(4));
  if (actor === undefined && kind === undefined) return [];
  const filler = firstOf(context, segment.field(segment.id === 'AIG' ? 14 : 12))?.toUpperCase() ?? '';
  return [
    compact({
      type: kind === undefined ? undefined : [kind],
      actor,
      status: PARTICIPANT_STATUS[filler] ?? 'accepted',
      period: resourcePeriod(context, segment),
    }),
  ];
}

function actorOf(frame: ClinicalFrame, segment: Segment): Element | undefined {
  const { context, list } = frame;
  const raw = repetitions(segment.field(3), context.by)[0] ?? '';
  if (segment.id === 'AIP') return list.practitioner(context, raw);
  if (segment.id === 'AIL') return locationOf(context, list, raw);
  const concept = conceptOf(context, raw);
  const [coding] = Array.isArray(concept?.coding) ? (concept.coding as Element[]) : [];
  const display = coding?.display ?? coding?.code ?? concept?.text;
  return display === undefined ? undefined : { display };
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
