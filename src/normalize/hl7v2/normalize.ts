/**
 * An HL7 v2 message to Changes (DESIGN section 6). Pure: it reads nothing but the message and the source's profile. Taken
 * now: ADT A01 A03 A04 A08 and ORU R01; any other event is an error that says so.
 */
import { GatewayError } from '../../core/errors.ts';
import type { Change } from '../../formats/fhir/change.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { parseDtm, toFhirDateTime, toMillis } from '../../formats/hl7v2/dtm.ts';
import type { Hl7Message } from '../../formats/hl7v2/message.ts';
import { ChangeList } from './change-list.ts';
import { codeOf, compact, dateTimeOf, firstOf, textOf, type Context, type Omission } from './context.ts';
import { encounterChange, type VisitEvent } from './encounter.ts';
import { groupSegments, type PatientGroup } from './group.ts';
import { observationChange } from './observation.ts';
import { orderChanges } from './order.ts';
import { patientChange } from './patient.ts';
import { marksOf } from './security.ts';
import { universalSystem, type SourceProfile } from './source-profile.ts';

/** HD of MSH-3 to MSH-6: namespace, and universal id as a URI where its type says which. */
export interface SystemName {
  readonly name?: string;
  readonly uri?: string;
}

/**
 * What a message is, apart from its patient: kept sealed in its manifest, read back by `audit/message-details`. No PHI of a
 * patient in it.
 */
export interface MessageDetails {
  /** MSH-9.1 and MSH-9.2. */
  readonly messageCode: string;
  readonly event: string;
  /** MSH-10. */
  readonly controlId: string;
  /** MSH-7 as FHIR dateTime. */
  readonly messageTime?: string;
  /** EVN-2 as FHIR dateTime. */
  readonly recordedTime?: string;
  /** MSH-12. */
  readonly version?: string;
  /** MSH-11. */
  readonly processingId?: string;
  readonly sendingApplication?: SystemName;
  readonly sendingFacility?: SystemName;
  readonly receivingApplication?: SystemName;
  readonly receivingFacility?: SystemName;
  /** Segment identifiers that nothing was made of, with how often they came; absent when there are none. */
  readonly unmapped?: Readonly<Record<string, number>>;
  readonly omissions?: readonly Omission[];
}

export interface Normalized {
  readonly changes: readonly Change[];
  /** MSH-7, milliseconds since 1970; the time of arrival where it is no date. */
  readonly sourceTime: number;
  /** MSH-10. */
  readonly controlId: string;
  readonly details: MessageDetails;
}

const ADT_EVENTS: Readonly<Record<string, VisitEvent>> = { A01: 'A01', A03: 'A03', A04: 'A04', A08: 'A08' };

/**
 * Normalises a parsed message. `receivedAt`: milliseconds since 1970. Throws GatewayError: `required-missing` (MSH-9,
 * MSH-10, PID, PV1 of an admission, OBX-3 ...), `unsupported-message-type`, `unsupported-event`, `unsupported-version`,
 * `invalid-content`, each with the place in the message.
 */
export function normalizeHl7v2(message: Hl7Message, profile: SourceProfile, receivedAt: number): Normalized {
  const { msh, delimiters: by } = message;
  const sent = parseDtm(components(msh.field(7), by)[0]?.trim() ?? '');
  const context: Context = {
    message,
    by,
    profile,
    zone: compact({ zone: profile.zone, offset: sent?.offset }),
    receivedAt,
    controlId: controlIdOf(message),
    omissions: [],
  };
  const [type, event] = messageType(context);
  const sourceTime = Math.min((sent && toMillis(sent, context.zone)) ?? receivedAt, receivedAt);
  const { patients, unmapped } = groupSegments(context);
  if (patients.length === 0)
    throw new GatewayError('required-missing', 'the message has no PID segment', { expression: 'PID' });
  if (type === 'ADT' && patients.length > 1) {
    throw new GatewayError('invalid-content', 'an ADT message of this event has one patient', { expression: 'PID[2]' });
  }
  const list = new ChangeList(sourceTime);
  const used = new Map<string, number>();
  for (const patient of patients) {
    if (type === 'ADT') visitChanges(context, list, patient, ADT_EVENTS[event] ?? 'A08', sourceTime, used);
    else resultChanges(context, list, patient, sourceTime, used);
  }
  return {
    changes: list.changes,
    sourceTime,
    controlId: context.controlId,
    details: {
      messageCode: type,
      event,
      controlId: context.controlId,
      ...(sent !== undefined && { messageTime: toFhirDateTime(sent, context.zone) }),
      ...header(context),
      ...(unmapped.size > 0 && { unmapped: Object.fromEntries(unmapped) }),
      ...(context.omissions.length > 0 && { omissions: context.omissions }),
    },
  };
}

/** MSH-10 as it is written. Throws `required-missing`. */
function controlIdOf(message: Hl7Message): string {
  const text = message.msh.field(10).trim();
  if (text === '' || text === '""')
    throw new GatewayError('required-missing', 'MSH-10, the control id, is required', { expression: 'MSH-10' });
  if (text.length > 199)
    throw new GatewayError('invalid-content', 'MSH-10 is longer than 199 characters', { expression: 'MSH-10' });
  return text;
}

function messageType(context: Context): [string, string] {
  const { msh, segments } = context.message;
  const parts = components(msh.field(9), context.by);
  const type = codeOf(context, parts[0]);
  if (type === undefined)
    throw new GatewayError('required-missing', 'MSH-9, the message type, is required', { expression: 'MSH-9' });
  const version = codeOf(context, components(msh.field(12), context.by)[0]);
  if (version !== undefined && !/^2(\.\d+)*$/.test(version)) {
    throw new GatewayError('unsupported-version', 'MSH-12 is not a version 2 of HL7', { expression: 'MSH-12' });
  }
  const event = codeOf(context, parts[1]) ?? codeOf(context, segments.find(({ id }) => id === 'EVN')?.field(1)) ?? '';
  if (type !== 'ADT' && type !== 'ORU') {
    throw new GatewayError('unsupported-message-type', 'messages of this type are not taken yet; ADT and ORU are', {
      expression: 'MSH-9.1',
    });
  }
  if (type === 'ADT' ? ADT_EVENTS[event] === undefined : event !== 'R01') {
    throw new GatewayError('unsupported-event', 'this event is not taken yet; ADT A01, A03, A04, A08 and ORU R01 are', {
      expression: 'MSH-9.2',
    });
  }
  return [type, event];
}

function visitChanges(
  context: Context,
  list: ChangeList,
  group: PatientGroup,
  event: VisitEvent,
  sourceTime: number,
  used: Map<string, number>,
): void {
  const marks = marksOf(context, context.message.segments);
  const patient = patientChange(context, list, group, marks, true);
  const { pv1, pv2 } = group;
  if (pv1 === undefined && event !== 'A08')
    throw new GatewayError('required-missing', 'the message has no PV1 segment', { expression: 'PV1' });
  const encounter = pv1 === undefined ? undefined : encounterChange(context, list, { pv1, pv2 }, patient, event, marks);
  observationsOfVisit(context, list, group, { index: patient.index, encounter, sourceTime, used, marks });
}

interface VisitFrame {
  readonly index: number;
  readonly encounter: number | undefined;
  readonly sourceTime: number;
  readonly used: Map<string, number>;
  readonly marks: ReturnType<typeof marksOf>;
}

/** OBX of an ADT message, or before the first OBR: about the patient, known by the message and their place. */
function observationsOfVisit(context: Context, list: ChangeList, group: PatientGroup, frame: VisitFrame): void {
  const patient = list.changes[frame.index];
  for (const observation of group.observations) {
    const observed = firstOf(context, observation.obx.field(14));
    observationChange(context, list, observation, {
      key:
        observed === undefined
          ? ['message', context.profile.name, context.controlId]
          : ['patient', ...patient.keys[0], observed],
      patient: frame.index,
      encounter: frame.encounter,
      basedOn: undefined,
      observedAt: undefined,
      category: undefined,
      sourceTime: frame.sourceTime,
      marks: frame.marks,
      orderMarks: [],
      used: frame.used,
    });
  }
}

function resultChanges(
  context: Context,
  list: ChangeList,
  group: PatientGroup,
  sourceTime: number,
  used: Map<string, number>,
): void {
  const marks = marksOf(context, context.message.segments);
  const patient = patientChange(context, list, group, marks, false);
  const { pv1, pv2 } = group;
  const encounter =
    pv1 === undefined ? undefined : encounterChange(context, list, { pv1, pv2 }, patient, 'context', marks);
  observationsOfVisit(context, list, group, { index: patient.index, encounter, sourceTime, used, marks });
  const requests = new Map<string, number>();
  for (const order of group.orders) {
    orderChanges(context, list, order, { patient, encounter, marks, sourceTime, used, requests });
  }
}

function header(context: Context): Omit<MessageDetails, 'messageCode' | 'event' | 'controlId' | 'messageTime'> {
  const { msh, segments } = context.message;
  return compact({
    version: firstOf(context, msh.field(12)),
    processingId: firstOf(context, msh.field(11)),
    sendingApplication: systemName(context, msh.field(3)),
    sendingFacility: systemName(context, msh.field(4)),
    receivingApplication: systemName(context, msh.field(5)),
    receivingFacility: systemName(context, msh.field(6)),
    recordedTime: dateTimeOf(context, segments.find(({ id }) => id === 'EVN')?.field(2), 'EVN-2'),
  });
}

function systemName(context: Context, raw: string): SystemName | undefined {
  if (raw === '' || raw === '""') return undefined;
  const [namespace, id, type] = components(raw, context.by).map((part) => textOf(context, part));
  const name = namespace ?? id;
  if (name === undefined) return undefined;
  const uri =
    id === undefined ? undefined : (universalSystem(id, type) ?? (type === 'DNS' ? `urn:dns:${id}` : undefined));
  return uri === undefined ? { name } : { name, uri };
}
