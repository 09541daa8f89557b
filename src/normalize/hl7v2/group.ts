/**
 * Segments to the groups of ADT, of orders and of results: patients with their orders, orders with their specimens and
 * results, results with their notes. Z segments and others in between change nothing. What no mapper reads is counted by its identifier.
 */
import { GatewayError } from '../../core/errors.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { firstOf, type Context } from './context.ts';
import { isTextType } from './observation-value.ts';
import type { ObservationGroup } from './observation.ts';
import type { OrderGroup, SpecimenGroup } from './order-group.ts';
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

/** Where an order begins: at its ORC, or at its OBR (OUL); and whether the specimen stands above its orders (`SPM`). */
export type OrderStart = 'ORC' | 'OBR' | 'SPM ORC' | 'SPM OBR';

/** Segments that say more of an order: timing, medication, diet, supply. Kept in their order, which tells them apart. */
const ORDER_DETAILS = new Set(['TQ1', 'RXO', 'RXR', 'RXC', 'RXE', 'RXD', 'RXG', 'RXA', 'ODS', 'RQD', 'IPC']);

/** Details that are something of their own, with notes of their own. */
const NOTED_DETAILS = new Set(['RXD', 'RXG', 'RXA']);

/** Read elsewhere (`marksOf`, the header), or without content of its own. */
const READ_ELSEWHERE = new Set(['MSH', 'EVN', 'ARV', 'CON', 'SFT', 'DSC']);

interface Cursor {
  patient: PatientGroup | undefined;
  orc: Segment | undefined;
  order: OpenOrder | undefined;
  specimen: OpenSpecimen | undefined;
  observation: { obx: Segment; continued: Segment[]; notes: Segment[]; number: number; roles?: Segment[] } | undefined;
  /** Whose NTE comes next. */
  notes: Segment[] | undefined;
  /** True below a second PV1: what follows are earlier results that the order is sent with. */
  prior: boolean;
}

interface OpenSpecimen extends SpecimenGroup {
  readonly notes: Segment[];
  containers?: Segment[];
}

interface OpenOrder extends OrderGroup {
  orc: Segment | undefined;
  obr: Segment | undefined;
  number: number;
  readonly notes: Segment[];
  readonly details: Segment[];
  detailNotes?: Map<Segment, Segment[]>;
  roles?: Segment[];
  readonly specimens: SpecimenGroup[];
  readonly observations: ObservationGroup[];
}

/** Groups the segments of a message by patient, at least one. Throws `required-missing` without PID. */
export function groupSegments({ context, unmapped }: Conversion, start: OrderStart = 'ORC'): readonly PatientGroup[] {
  const patients: PatientGroup[] = [];
  const at: Cursor = {
    patient: undefined,
    orc: undefined,
    order: undefined,
    specimen: undefined,
    observation: undefined,
    notes: undefined,
    prior: false,
  };
  const counts = { OBR: 0, OBX: 0, SPM: 0 };
  for (const segment of context.message.segments) {
    if (READ_ELSEWHERE.has(segment.id) || segment.text.trim() === '') continue;
    if (!place(context, segment, at, patients, counts, start)) countUnmapped(unmapped, segment.id);
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
  counts: { OBR: number; OBX: number; SPM: number },
  start: OrderStart,
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
      at.orc = at.order = at.specimen = at.observation = at.notes = undefined;
      at.prior = false;
      return true;
    }
    case 'PD1':
      if (patient !== undefined) patient.pd1 ??= segment;
      return patient?.pd1 === segment;
    case 'NK1':
      patient?.nk1.push(segment);
      return patient !== undefined;
    case 'PV1':
      if (patient === undefined) return false;
      at.prior ||= patient.orders.length > 0;
      patient.pv1 ??= segment;
      return patient.pv1 === segment;
    case 'PV2':
      if (patient !== undefined) patient.pv2 ??= segment;
      return patient?.pv2 === segment;
    case 'ORC':
      if (start.endsWith('OBR') && at.order !== undefined && at.order.orc === undefined) {
        at.order.orc = segment;
        return true;
      }
      at.orc = segment;
      if (start.endsWith('ORC')) openOrder(at, start);
      return patient !== undefined;
    case 'OBR':
      counts.OBR++;
      if (at.order === undefined || at.order.obr !== undefined) openOrder(at, start);
      if (at.order !== undefined) Object.assign(at.order, { obr: segment, number: counts.OBR });
      return patient !== undefined;
    case 'OBX':
      counts.OBX++;
      placeObservation(context, segment, at, counts.OBX);
      return patient !== undefined;
    case 'NTE':
      at.notes?.push(segment);
      return at.notes !== undefined;
    case 'ROL':
    case 'PRT': {
      const owner = at.observation ?? at.order;
      if (owner === undefined) return false;
      (owner.roles ??= []).push(segment);
      return true;
    }
    case 'SPM': {
      counts.SPM++;
      const specimen = { spm: segment, notes: [], number: counts.SPM };
      if (start.startsWith('SPM')) at.order = undefined;
      else at.order?.specimens.push(specimen);
      at.specimen = specimen;
      at.observation = undefined;
      at.notes = specimen.notes;
      return patient !== undefined;
    }
    case 'SAC':
      if (at.specimen === undefined) return false;
      (at.specimen.containers ??= []).push(segment);
      return true;
    default:
      // Transfusions and pumps are told without an order.
      if (segment.id === 'RXA' && at.order === undefined) openOrder(at, start);
      if (at.order === undefined || !ORDER_DETAILS.has(segment.id)) return false;
      at.order.details.push(segment);
      if (NOTED_DETAILS.has(segment.id)) {
        at.notes = [];
        (at.order.detailNotes ??= new Map()).set(segment, at.notes);
      }
      return true;
  }
}

/** Begins an order of the patient at hand, below the last ORC: one ORC may have several OBR. */
function openOrder(at: Cursor, start: OrderStart): void {
  if (at.patient === undefined) return;
  const { specimen } = at;
  const isAbove = specimen !== undefined && (start.startsWith('SPM') || at.order === undefined);
  if (!start.startsWith('SPM')) at.specimen = undefined;
  const order: OpenOrder = {
    orc: at.orc,
    obr: undefined,
    number: 0,
    prior: at.prior,
    notes: [],
    details: [],
    specimens: isAbove ? [specimen] : [],
    observations: [],
  };
  at.patient.orders.push(order);
  at.order = order;
  at.observation = undefined;
  at.notes = order.notes;
}

function placeObservation(context: Context, obx: Segment, at: Cursor, number: number): void {
  const before = at.observation;
  if (before !== undefined && before.notes.length === 0 && continues(context, before.obx, obx)) {
    before.continued.push(obx);
    return;
  }
  const specimen = at.order?.specimens.at(-1) ?? at.specimen;
  const observation = { obx, continued: [], notes: [], number, ...(specimen !== undefined && { specimen }) };
  (at.order?.observations ?? at.patient?.observations)?.push(observation);
  at.observation = observation;
  at.notes = observation.notes;
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
