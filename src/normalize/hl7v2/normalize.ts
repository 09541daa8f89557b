/**
 * An HL7 v2 message to Changes (DESIGN section 6). Pure: it reads nothing but the message and the source's profile. What
 * is taken stands in `structures.ts`; any other event is an error that says so.
 */
import { GatewayError } from '../../core/errors.ts';
import { OMISSIONS_MAX } from '../../core/limits.ts';
import type { BusinessKey, Change } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import { parseDtm, toFhirDateTime, toMillis, type Dtm } from '../../formats/hl7v2/dtm.ts';
import type { Hl7Message, Segment } from '../../formats/hl7v2/message.ts';
import { ChangeList } from './change-list.ts';
import { codeOf, compact, dateTimeOf, firstOf, textOf, type Context, type Omission } from './context.ts';
import { eventDetails, type EventDetails } from './event-details.ts';
import { patientKeysOf } from './patient.ts';
import { universalSystem, type SourceProfile } from './source-profile.ts';
import { countUnmapped, type Structure } from './structure.ts';
import { EVENT_WITHOUT_NAME, STRUCTURES } from './structures.ts';

/** More events than this are not told in an error: ERR-8 holds 250 characters. */
const EVENTS_TOLD = 12;
const BCP47 = /^[a-z]{2,3}(-[A-Z0-9]{2,8})?$/i;

/** HD of MSH-3 to MSH-6: namespace, and universal id as a URI where its type says which. */
export interface SystemName {
  readonly name?: string;
  readonly uri?: string;
}

/**
 * What a message is, apart from its patient: kept sealed in its manifest, read back by `audit/message-details`. No PHI of a
 * patient in it.
 */
export interface MessageDetails extends EventDetails {
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
  /** MSH-24, MSH-25: addresses in the network. */
  readonly sendingNetwork?: SystemName;
  readonly receivingNetwork?: SystemName;
  /** EVN-7: where it happened. */
  readonly eventFacility?: SystemName;
  /** PID-34: who last changed the patient's data. */
  readonly updateFacility?: SystemName;
  /** MSH-22, MSH-23: names of the organisations that answer for the message. */
  readonly responsible?: string;
  readonly receiver?: string;
  /** MSH-19 as BCP 47. */
  readonly language?: string;
  /** SFT-3, SFT-2 of the first SFT. */
  readonly software?: string;
  readonly softwareVersion?: string;
  /** Segment identifiers that nothing was made of, with how often they came; absent when there are none. */
  readonly unmapped?: Readonly<Record<string, number>>;
  /** The first OMISSIONS_MAX. */
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

/**
 * Normalises a parsed message. `receivedAt`: milliseconds since 1970. Throws GatewayError: `required-missing` (MSH-9,
 * MSH-10, PID, PV1 of an admission, OBX-3 ...), `unsupported-message-type`, `unsupported-event`, `unsupported-version`,
 * `invalid-content`, each with the place in the message.
 */
export function normalizeHl7v2(message: Hl7Message, profile: SourceProfile, receivedAt: number): Normalized {
  const head = readHead(message, profile, receivedAt);
  const { context, event, sourceTime } = head;
  const structure = structureOf(head.type, event);
  const list = new ChangeList(sourceTime);
  const unmapped = new Map<string, number>();
  structure({ context, list, event, sourceTime, used: new Map(), unmapped });
  return {
    changes: list.changes,
    sourceTime,
    controlId: context.controlId,
    details: {
      ...detailsOf(head),
      ...(unmapped.size > 0 && { unmapped: Object.fromEntries(unmapped) }),
      ...(context.omissions.length > 0 && { omissions: context.omissions.slice(0, OMISSIONS_MAX) }),
    },
  };
}

/** What a message says of itself, without anything being made of it: for messages that are kept and not converted. */
export interface Outline extends Omit<Normalized, 'changes'> {
  /** Keys of the patient of its first PID; empty without one. */
  readonly about: readonly BusinessKey[];
}

/**
 * Reads what does not depend on the kind of message; every segment but MSH counts as unmapped. Throws GatewayError where MSH
 * itself lacks what a message needs: `required-missing`, `invalid-content`, `unsupported-version`.
 */
export function outlineHl7v2(message: Hl7Message, profile: SourceProfile, receivedAt: number): Outline {
  const head = readHead(message, profile, receivedAt);
  const { context, sourceTime } = head;
  const unmapped = new Map<string, number>();
  for (const { id, text } of message.segments.slice(1)) if (text.trim() !== '') countUnmapped(unmapped, id);
  const pid = message.segments.find(({ id }) => id === 'PID');
  return {
    sourceTime,
    controlId: context.controlId,
    details: { ...detailsOf(head), ...(unmapped.size > 0 && { unmapped: Object.fromEntries(unmapped) }) },
    about: pid === undefined ? [] : aboutOf(context, pid),
  };
}

/** A PID that cannot be read, perhaps the very reason why the message is kept, is of nobody who is known. */
function aboutOf(context: Context, pid: Segment): readonly BusinessKey[] {
  try {
    return patientKeysOf(context, pid);
  } catch {
    return [];
  }
}

/** The message with what its MSH says. */
interface Head {
  readonly context: Context;
  readonly type: string;
  readonly event: string;
  readonly sourceTime: number;
  readonly sent: Dtm | undefined;
}

function readHead(message: Hl7Message, profile: SourceProfile, receivedAt: number): Head {
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
  const sourceTime = Math.min((sent && toMillis(sent, context.zone)) ?? receivedAt, receivedAt);
  return { context, ...messageType(context), sourceTime, sent };
}

function detailsOf({ context, type, event, sent }: Head): MessageDetails {
  return {
    messageCode: type,
    event,
    controlId: context.controlId,
    ...(sent !== undefined && { messageTime: toFhirDateTime(sent, context.zone) }),
    ...header(context),
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

/**
 * MSH-9 in all its forms: `ADT^A01^ADT_A01`; `ORU_R01`, a structure in the place of the type; in capitals or not; the type alone, as
 * versions 2.1 and 2.2 allow: then EVN-1 has the event, or the type had only one.
 */
function messageType(context: Context): { type: string; event: string } {
  const { msh, segments } = context.message;
  const [first, second] = components(msh.field(9), context.by).map((part) => codeOf(context, part)?.toUpperCase());
  if (first === undefined)
    throw new GatewayError('required-missing', 'MSH-9, the message type, is required', { expression: 'MSH-9' });
  const version = codeOf(context, components(msh.field(12), context.by)[0]);
  if (version !== undefined && !/^2(\.\d+)*$/.test(version)) {
    throw new GatewayError('unsupported-version', 'MSH-12 is not a version 2 of HL7', { expression: 'MSH-12' });
  }
  // The event of a structure is not that of the message: ADT_A01 is the form of four.
  const type = /^[A-Z]{3}_[A-Z]\d\d$/.test(first) ? first.slice(0, 3) : first;
  const evn = codeOf(context, segments.find(({ id }) => id === 'EVN')?.field(1))?.toUpperCase();
  return { type, event: second ?? evn ?? EVENT_WITHOUT_NAME[type] ?? '' };
}

function structureOf(type: string, event: string): Structure {
  if (!Object.hasOwn(STRUCTURES, type)) {
    const taken = Object.keys(STRUCTURES).join(', ');
    throw new GatewayError('unsupported-message-type', `messages of this type are not taken yet; taken are ${taken}`, {
      expression: 'MSH-9.1',
    });
  }
  const events = STRUCTURES[type];
  if (!Object.hasOwn(events, event)) {
    const taken = Object.keys(events);
    const others = taken.length > EVENTS_TOLD ? '' : `; taken are ${taken.join(', ')}`;
    throw new GatewayError('unsupported-event', `this event of ${type} is not taken yet${others}`, {
      expression: 'MSH-9.2',
    });
  }
  return events[event];
}

function header(context: Context): Omit<MessageDetails, 'messageCode' | 'event' | 'controlId' | 'messageTime'> {
  const { msh, segments } = context.message;
  const sft = segments.find(({ id }) => id === 'SFT');
  const evn = segments.find(({ id }) => id === 'EVN');
  return compact({
    version: firstOf(context, msh.field(12)),
    processingId: firstOf(context, msh.field(11)),
    sendingApplication: systemName(context, msh.field(3)),
    sendingFacility: systemName(context, msh.field(4)),
    receivingApplication: systemName(context, msh.field(5)),
    receivingFacility: systemName(context, msh.field(6)),
    sendingNetwork: systemName(context, msh.field(24)),
    receivingNetwork: systemName(context, msh.field(25)),
    responsible: firstOf(context, msh.field(22)),
    receiver: firstOf(context, repetitions(msh.field(23), context.by)[0]),
    language: languageCode(context, msh.field(19)),
    software: firstOf(context, sft?.field(3)),
    softwareVersion: firstOf(context, sft?.field(2)),
    recordedTime: dateTimeOf(context, evn?.field(2), 'EVN-2'),
    eventFacility: systemName(context, evn?.field(7) ?? ''),
    updateFacility: systemName(context, segments.find(({ id }) => id === 'PID')?.field(34) ?? ''),
    ...eventDetails(context),
  });
}

/** MSH-19: the alternate code where it is one of BCP 47, else the first. */
function languageCode(context: Context, raw: string): string | undefined {
  if (raw === '') return undefined;
  const codes = components(raw, context.by);
  return [codes[3], codes[0]]
    .map((code) => codeOf(context, code))
    .find((code) => code !== undefined && BCP47.test(code));
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
