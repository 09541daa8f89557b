/**
 * One ORDER_OBSERVATION group of ORU_R01: ORC and OBR to ServiceRequest and DiagnosticReport (maps ORC[ServiceRequest],
 * OBR[ServiceRequest], ORC[DiagnosticReport], OBR[DiagnosticReport]), its OBX to Observations.
 */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { GatewayError } from '../../core/errors.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import { toFhirInstant, toMillis } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import {
  codeOf,
  compact,
  dateTimeOf,
  dtmOf,
  firstOf,
  periodOf,
  present,
  type Context,
  type Element,
} from './context.ts';
import { codingsOf, codingText, conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { cxIdentifier, eiIdentifier, type Identified } from './datatypes/identifier.ts';
import {
  isSupportingInfo,
  notesOf,
  observationChange,
  type ObservationFrame,
  type ObservationGroup,
} from './observation.ts';
import type { PatientResult } from './patient.ts';
import { codedMarks, metaOf, type Marks } from './security.ts';
import {
  ORDER_CONTROL_STATUS,
  ORDER_STATUS,
  PRIORITY,
  REPORT_STATUS,
  SECTION_CATEGORY,
  STATUS_RANK,
} from './tables.ts';

const EVENT_REASON = 'http://hl7.org/fhir/StructureDefinition/event-statusReason';
const REPORT_NOTE = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';

/** The segments of one order. */
export interface OrderGroup {
  readonly orc: Segment | undefined;
  readonly obr: Segment;
  /** NTE behind OBR. */
  readonly notes: readonly Segment[];
  readonly observations: readonly ObservationGroup[];
  /** Number of the OBR in the message, from 1. */
  readonly number: number;
}

/** What surrounds the orders of one patient. */
export interface OrderFrame {
  readonly patient: PatientResult;
  readonly encounter: number | undefined;
  readonly marks: Marks;
  readonly sourceTime: number;
  readonly used: Map<string, number>;
  /** Positions of the ServiceRequests of this message by their first key: one order may have several OBR. */
  readonly requests: Map<string, number>;
}

interface OrderNumbers {
  readonly placer: Identified | undefined;
  readonly filler: Identified | undefined;
  readonly all: readonly Identified[];
}

/** Adds the Changes of one order. Throws `required-missing` without OBR-4, `invalid-content` for an unusable OBR-25. */
export function orderChanges(context: Context, list: ChangeList, group: OrderGroup, frame: OrderFrame): void {
  const { orc, obr } = group;
  const location = `OBR[${group.number}]`;
  const numbers = orderNumbers(context, orc, obr);
  const code = conceptOf(context, obr.field(4)) ?? conceptOf(context, group.observations[0]?.obx.field(3));
  if (code === undefined)
    throw new GatewayError('required-missing', 'OBR-4, the service, is required', { expression: `${location}-4` });
  const status = reportStatus(context, group, location);
  const key = orderKey(context, obr, numbers, frame, group.number);
  const orderMarks = codedMarks(context, orc?.field(28) ?? '');
  const request = requestChange(context, list, group, frame, numbers, code, status, key, orderMarks);
  const section = firstOf(context, obr.field(24));
  const reported = dtmOf(context, obr.field(22), `${location}-22`);
  const sourceTime = (reported === undefined ? undefined : toMillis(reported, context.zone)) ?? frame.sourceTime;
  const issued = reported === undefined ? undefined : toFhirInstant(reported, context.zone);
  const observationFrame: ObservationFrame = {
    key: ['observation', ...key],
    patient: frame.patient.index,
    encounter: frame.encounter,
    basedOn: request,
    observedAt: dateTimeOf(context, obr.field(7), `${location}-7`),
    category: SECTION_CATEGORY[section ?? ''] ?? 'laboratory',
    sourceTime,
    marks: frame.marks,
    orderMarks,
    used: frame.used,
  };
  const result: Element[] = [];
  const supportingInfo: Element[] = [];
  for (const observation of group.observations) {
    const index = observationChange(context, list, observation, observationFrame);
    if (index === undefined) continue;
    (isSupportingInfo(context, observation.obx) ? supportingInfo : result).push({ reference: changeReference(index) });
  }
  if (supportingInfo.length > 0) addSupportingInfo(list, request, supportingInfo);
  const effective = effectiveOf(context, obr, location);
  const meta = metaOf(frame.marks.all, frame.marks.clinical, orderMarks);
  const statusReason = conceptOf(context, orc?.field(16));
  const notes = notesOf(context, group.notes);
  list.add({
    type: 'DiagnosticReport',
    keys: [['report', ...key]],
    set: {
      resourceType: 'DiagnosticReport',
      ...(meta && { meta }),
      ...compact({
        basedOn: [{ reference: changeReference(request) }],
        status,
        category: [{ coding: codingsOf(context, obr.field(24), `${V2_TABLE}0074`) }],
        code,
        subject: { reference: changeReference(frame.patient.index) },
        encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
        ...effective,
        issued,
        performer: performersOf(context, list, group),
        resultsInterpreter: present(
          [obr.field(32), ...repetitions(obr.field(33), context.by)].map((raw) => interpreterOf(context, list, raw)),
        ),
        extension: present([
          statusReason === undefined ? undefined : { url: EVENT_REASON, valueCodeableConcept: statusReason },
          ...(notes ?? []).map((valueAnnotation) => ({ url: REPORT_NOTE, valueAnnotation })),
        ]),
      }),
      ...(section === undefined && {
        category: [{ coding: [{ system: `${V2_TABLE}0074`, code: 'LAB', display: 'Laboratory' }] }],
      }),
    },
    append: { identifier: numbers.all.map(({ identifier }) => identifier), result },
    sourceTime: sourceTime + (STATUS_RANK[status] ?? 0),
  });
}

/** Placer and filler numbers. The guide: those of ORC, of OBR where ORC has none; both belong to the same order. */
function orderNumbers(context: Context, orc: Segment | undefined, obr: Segment): OrderNumbers {
  const first = (raw: string | undefined): string => repetitions(raw ?? '', context.by)[0] ?? '';
  const placer =
    eiIdentifier(context, first(orc?.field(2)), 'PLAC') ?? eiIdentifier(context, first(obr.field(2)), 'PLAC');
  const filler =
    eiIdentifier(context, first(orc?.field(3)), 'FILL') ?? eiIdentifier(context, first(obr.field(3)), 'FILL');
  // Several OBR below one ORC have numbers of their own in OBR-3.
  const ownFiller = eiIdentifier(context, first(obr.field(3)), 'FILL') ?? filler;
  const alternate = cxIdentifier(context, first(obr.field(53)), 'PLAC', 'OBR-53');
  return { placer, filler: ownFiller, all: present([placer, ownFiller, alternate]) };
}

/**
 * What the report and its results are known by: filler number, else placer number, and the service, since laboratories use
 * one number for several panels. Without a number: patient, service and time of observation; without that, this message.
 */
function orderKey(
  context: Context,
  obr: Segment,
  numbers: OrderNumbers,
  frame: OrderFrame,
  position: number,
): BusinessKey {
  const [coding] = codingsOf(context, obr.field(4));
  const service = codingText(coding);
  const number = numbers.filler ?? numbers.placer;
  if (number !== undefined)
    return [number === numbers.filler ? 'filler' : 'placer', number.system, number.value, service];
  const observed = firstOf(context, obr.field(7));
  if (observed !== undefined && service !== '') return ['patient', ...frame.patient.keys[0], service, observed];
  return ['message', context.profile.name, context.controlId, String(position)];
}

/** The order. A result only fills in what nobody has said of it; its status moves on when the report is final. */
function requestChange(
  context: Context,
  list: ChangeList,
  group: OrderGroup,
  frame: OrderFrame,
  numbers: OrderNumbers,
  code: Element,
  status: string,
  key: BusinessKey,
  orderMarks: readonly Element[],
): number {
  const { orc, obr } = group;
  const keys: BusinessKey[] = present([
    numbers.placer && ['placer', numbers.placer.system, numbers.placer.value],
    numbers.filler && ['filler', numbers.filler.system, numbers.filler.value],
  ]);
  if (keys.length === 0) keys.push(['request', ...key]);
  const known = frame.requests.get(JSON.stringify(keys[0]));
  if (known !== undefined) return known;
  const meta = metaOf(frame.marks.all, frame.marks.clinical, orderMarks);
  const control = ORDER_CONTROL_STATUS[firstOf(context, orc?.field(1)) ?? ''];
  const stated = ORDER_STATUS[firstOf(context, orc?.field(5)) ?? ''];
  const done = status === 'final' || status === 'corrected' ? 'completed' : undefined;
  const requester = present(
    repetitions(orc?.field(12) || obr.field(16), context.by).map((raw) => list.practitioner(context, raw)),
  )[0];
  const reason = present(repetitions(obr.field(31), context.by).map((raw) => conceptOf(context, raw)));
  const moved = stated ?? done;
  const index = list.add({
    type: 'ServiceRequest',
    keys,
    set: {
      resourceType: 'ServiceRequest',
      ...(meta && { meta }),
      subject: { reference: changeReference(frame.patient.index) },
      ...(moved !== undefined && { status: moved }),
    },
    keepIf: { status: ['revoked', 'entered-in-error'] },
    append: { identifier: numbers.all.map(({ identifier }) => identifier) },
    initial: compact({
      status: control ?? 'active',
      intent: firstOf(context, obr.field(11)) === 'G' ? 'reflex-order' : 'order',
      priority: PRIORITY[firstOf(context, obr.field(5)) ?? ''],
      code,
      encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
      occurrenceDateTime: dateTimeOf(context, obr.field(6), 'OBR-6'),
      authoredOn: codeOf(context, orc?.field(1)) === 'NW' ? dateTimeOf(context, orc?.field(9), 'ORC-9') : undefined,
      requester,
      requisition: eiIdentifier(context, components(orc?.field(4) ?? '', context.by)[0] ?? '', 'PGN')?.identifier,
      reasonCode: reason,
    }),
  });
  frame.requests.set(JSON.stringify(keys[0]), index);
  return index;
}

/** Adds references to the Change that is there already. */
function addSupportingInfo(list: ChangeList, request: number, references: readonly Element[]): void {
  const change = list.changes[request];
  if (change.mode !== 'merge') return;
  const before = change.append?.supportingInfo ?? [];
  list.changes[request] = { ...change, append: { ...change.append, supportingInfo: [...before, ...references] } };
}

/** OBR-25; where it is empty, ours: the least advanced of the results. Y and Z say that there is nothing to report on. */
function reportStatus(context: Context, group: OrderGroup, location: string): string {
  const code = firstOf(context, group.obr.field(25));
  if (code !== undefined) {
    const status = REPORT_STATUS[code];
    if (status !== undefined) return status;
    throw new GatewayError('invalid-content', 'OBR-25 is not a result status that reports something', {
      expression: `${location}-25`,
    });
  }
  const results = group.observations.map(({ obx }) => firstOf(context, obx.field(11)) ?? 'F');
  if (results.length === 0) return 'registered';
  if (results.every((result) => result === 'C' || result === 'F')) return results.includes('C') ? 'corrected' : 'final';
  return results.some((result) => 'PRS'.includes(result))
    ? 'preliminary'
    : results.some((result) => 'FC'.includes(result))
      ? 'partial'
      : 'unknown';
}

/** OBR-7 alone is a time, with OBR-8 a period. */
function effectiveOf(context: Context, obr: Segment, location: string): Element {
  if (firstOf(context, obr.field(8)) !== undefined)
    return compact({ effectivePeriod: periodOf(context, obr.field(7), obr.field(8), `${location}-7`) });
  return compact({ effectiveDateTime: dateTimeOf(context, obr.field(7), `${location}-7`) });
}

/** The organisation that performed: OBX-23 of the results, once each. */
function performersOf(context: Context, list: ChangeList, group: OrderGroup): Element[] {
  const raws = new Set(group.observations.map(({ obx }) => repetitions(obx.field(23), context.by)[0] ?? ''));
  return present([...raws].map((raw) => list.organization(context, raw)));
}

/** NDL: the first component holds a CNN as subcomponents. */
function interpreterOf(context: Context, list: ChangeList, raw: string): Element | undefined {
  if (raw === '' || raw === '""') return undefined;
  const parts = components(raw, context.by);
  const person = subcomponents(parts[0], context.by);
  // Senders write the name as components of the field instead.
  return list.interpreter(context, person.length > 1 ? person : parts);
}
