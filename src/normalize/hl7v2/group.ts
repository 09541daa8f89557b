/**
 * Segments to the groups of ORU_R01 and ADT: patients with their orders, orders with their results, results with their
 * notes. Z segments and others in between change nothing. What no mapper reads is counted by its identifier.
 */
import { GatewayError } from '../../core/errors.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { firstOf, type Context } from './context.ts';
import { isTextType } from './observation-value.ts';
import type { ObservationGroup } from './observation.ts';
import type { OrderGroup } from './order.ts';
import { countUnmapped, type Conversion } from './structure.ts';

/** One PATIENT_RESULT group, or the whole of an ADT message. */
export interface PatientGroup {
  readonly pid: Segment;
  pd1: Segment | undefined;
  readonly nk1: Segment[];
  pv1: Segment | undefined;
  pv2: Segment | undefined;
  /** OBX before any OBR. */
  readonly observations: ObservationGroup[];
  readonly orders: OrderGroup[];
}

/** Read elsewhere (`marksOf`, the header), or without content of its own. */
const READ_ELSEWHERE = new Set(['MSH', 'EVN', 'ARV', 'CON', 'SFT', 'DSC']);

interface Cursor {
  patient: PatientGroup | undefined;
  orc: Segment | undefined;
  order: { observations: ObservationGroup[]; notes: Segment[] } | undefined;
  observation: { obx: Segment; continued: Segment[]; notes: Segment[]; number: number } | undefined;
  /** Whose NTE comes next. */
  noteOf: 'order' | 'observation' | undefined;
}

/** Groups the segments of a message by patient, at least one. Throws `required-missing` without PID. */
export function groupSegments({ context, unmapped }: Conversion): readonly PatientGroup[] {
  const patients: PatientGroup[] = [];
  const at: Cursor = {
    patient: undefined,
    orc: undefined,
    order: undefined,
    observation: undefined,
    noteOf: undefined,
  };
  const counts = { OBR: 0, OBX: 0 };
  for (const segment of context.message.segments) {
    if (READ_ELSEWHERE.has(segment.id) || segment.text.trim() === '') continue;
    if (!place(context, segment, at, patients, counts)) countUnmapped(unmapped, segment.id);
  }
  if (patients.length === 0)
    throw new GatewayError('required-missing', 'the message has no PID segment', { expression: 'PID' });
  return patients;
}

/** Puts one segment where it belongs; false when nothing is made of it. */
function place(
  context: Context,
  segment: Segment,
  at: Cursor,
  patients: PatientGroup[],
  counts: { OBR: number; OBX: number },
): boolean {
  const { patient } = at;
  switch (segment.id) {
    case 'PID': {
      at.patient = {
        pid: segment,
        pd1: undefined,
        nk1: [],
        pv1: undefined,
        pv2: undefined,
        observations: [],
        orders: [],
      };
      patients.push(at.patient);
      at.orc = at.order = at.observation = at.noteOf = undefined;
      return true;
    }
    case 'PD1':
      if (patient !== undefined) patient.pd1 ??= segment;
      return patient?.pd1 === segment;
    case 'NK1':
      patient?.nk1.push(segment);
      return patient !== undefined;
    case 'PV1':
      if (patient !== undefined) patient.pv1 ??= segment;
      return patient?.pv1 === segment;
    case 'PV2':
      if (patient !== undefined) patient.pv2 ??= segment;
      return patient?.pv2 === segment;
    case 'ORC':
      at.orc = segment;
      at.order = at.observation = at.noteOf = undefined;
      return true;
    case 'OBR': {
      counts.OBR++;
      const order = { orc: at.orc, obr: segment, notes: [], observations: [], number: counts.OBR };
      patient?.orders.push(order);
      at.order = order;
      at.observation = undefined;
      at.noteOf = 'order';
      return patient !== undefined;
    }
    case 'OBX':
      counts.OBX++;
      placeObservation(context, segment, at, counts.OBX);
      return patient !== undefined;
    case 'NTE':
      if (at.noteOf === 'observation') at.observation?.notes.push(segment);
      else if (at.noteOf === 'order') at.order?.notes.push(segment);
      return at.noteOf !== undefined;
    case 'SPM':
      // OBX behind SPM describe the specimen, still of this order; a note behind SPM is about the specimen.
      at.observation = at.noteOf = undefined;
      return false;
    default:
      return false;
  }
}

function placeObservation(context: Context, obx: Segment, at: Cursor, number: number): void {
  const before = at.observation;
  if (before !== undefined && before.notes.length === 0 && continues(context, before.obx, obx)) {
    before.continued.push(obx);
    return;
  }
  const observation = { obx, continued: [], notes: [], number };
  (at.order?.observations ?? at.patient?.observations)?.push(observation);
  at.observation = observation;
  at.noteOf = 'observation';
}

/** Lines of one text: the same code and sub-identifier, both TX or FT, the same status. */
function continues(context: Context, first: Segment, next: Segment): boolean {
  if (!isTextType(first.field(2)) || !isTextType(next.field(2))) return false;
  return (
    first.field(4) === next.field(4) &&
    first.field(11) === next.field(11) &&
    firstOf(context, first.field(3)) === firstOf(context, next.field(3))
  );
}
