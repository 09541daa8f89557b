/** Who and what takes part in an appointment: the patient, the contacts of SCH, AIG, AIL, AIP (maps SCH[Appointment], AIG[Appointment] ...). */
import { codeTable } from '../../core/code-table.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { resourcePeriod } from './appointment-time.ts';
import { subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { locationOf } from './location.ts';

const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/** SCH fields of people. The guide's codes for the first two are of no code system: text. */
const CONTACTS: readonly (readonly [field: number, type: Element])[] = [
  [12, { text: 'placer contact' }],
  [16, { text: 'filler contact' }],
  [20, { coding: [{ system: PARTICIPANT, code: 'enterer', display: 'Enterer' }], text: 'enterer' }],
];
/** Table 0278 to AppointmentParticipant.status. */
const PARTICIPANT_STATUS: Readonly<Record<string, string>> = codeTable({
  CANCELLED: 'declined',
  DELETED: 'declined',
  PENDING: 'needs-action',
  WAITLIST: 'needs-action',
});

/** The patient, who has accepted what is booked. */
export function patientOf(frame: ClinicalFrame, status: string | undefined): Element {
  const open = status === 'pending' || status === 'proposed' || status === 'waitlist';
  return { actor: subjectOf(frame), status: open ? 'needs-action' : 'accepted' };
}

/** SCH-12, 16, 20: who asked, who filled, who typed. */
export function contactsOf(frame: ClinicalFrame, sch: Segment): Element[] {
  const { context, list } = frame;
  return CONTACTS.flatMap(([field, type]) =>
    repetitions(sch.field(field), context.by).flatMap((raw) => {
      const actor = list.practitioner(context, raw);
      return actor === undefined ? [] : [{ type: [type], actor, status: 'accepted' }];
    }),
  );
}

/** AIG, AIL, AIP; AIS is a service, not a participant. `start`: of the appointment, to which offsets are added. */
export function participantOf(frame: ClinicalFrame, segment: Segment, start: unknown): Element[] {
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
      period: resourcePeriod(context, segment, start),
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
