/**
 * What a manifest keeps, sealed, about an HL7 v2 message, so that MessageHeader and Provenance can be rendered from it
 * later instead of being stored (DESIGN section 6). No PHI of a patient: erasure does not reach manifests.
 */

/** HD of MSH-3 to MSH-6, as far as it was sent. */
export interface SystemName {
  /** HD.1, namespace. */
  readonly name?: string;
  /** HD.2 with its type in HD.3, as a URI (`urn:oid:...`, `urn:uuid:...`, dns name). */
  readonly uri?: string;
}

/** A person by number, or by name alone. */
export interface OperatorName {
  readonly system?: string;
  readonly value?: string;
  readonly name?: string;
}

export interface MessageDetails {
  /** MSH-9.1, message code: `ADT`. */
  readonly messageCode: string;
  /** MSH-9.2, trigger event: `A01`. */
  readonly event: string;
  /** MSH-10. */
  readonly controlId: string;
  /** MSH-7 as a FHIR dateTime, when it was sent and could be read. */
  readonly messageTime?: string;
  /** MSH-12. */
  readonly version?: string;
  /** MSH-3. */
  readonly sendingApplication?: SystemName;
  /** MSH-4. */
  readonly sendingFacility?: SystemName;
  /** MSH-5. */
  readonly receivingApplication?: SystemName;
  /** MSH-6. */
  readonly receivingFacility?: SystemName;
  /** MSH-24. */
  readonly sendingNetwork?: SystemName;
  /** MSH-25. */
  readonly receivingNetwork?: SystemName;
  /** MSH-11. */
  readonly processingId?: string;
  /** Name of the organisation of MSH-22. */
  readonly responsible?: string;
  /** Name of the organisation of MSH-23. */
  readonly receiver?: string;
  /** MSH-19 as BCP 47. */
  readonly language?: string;
  /** SFT-3. */
  readonly software?: string;
  /** SFT-2. */
  readonly softwareVersion?: string;
  /** EVN-6, else ORC-9, else PID-33, as a FHIR dateTime. */
  readonly eventTime?: string;
  /** EVN-4. */
  readonly eventReason?: { readonly system: string; readonly code: string };
  /** EVN-5, else SCH-20, else ORC-10. */
  readonly operator?: OperatorName;
  /** ORC-11. */
  readonly verifier?: OperatorName;
  /** ORC-19. */
  readonly actor?: OperatorName;
  /** EVN-7. */
  readonly eventFacility?: SystemName;
  /** PID-34. */
  readonly updateFacility?: SystemName;
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function optional<K extends string>(name: K, value: unknown): { readonly [P in K]?: string };
function optional(name: string, value: unknown): Json {
  return typeof value === 'string' && value !== '' ? { [name]: value } : {};
}

function systemName<K extends string>(name: K, value: unknown): { readonly [P in K]?: SystemName };
function systemName(key: string, value: unknown): Json {
  return isObject(value) ? { [key]: { ...optional('name', value.name), ...optional('uri', value.uri) } } : {};
}

function eventReason(value: unknown): Pick<MessageDetails, 'eventReason'> {
  if (!isObject(value) || typeof value.system !== 'string' || typeof value.code !== 'string') return {};
  return { eventReason: { system: value.system, code: value.code } };
}

function person<K extends 'operator' | 'verifier' | 'actor'>(name: K, value: unknown): Pick<MessageDetails, K>;
function person(name: string, value: unknown): Json {
  if (!isObject(value)) return {};
  return {
    [name]: {
      ...optional('system', value.system),
      ...optional('value', value.value),
      ...optional('name', value.name),
    },
  };
}

/** Reads the details back out of a manifest; undefined when the message was not HL7 v2. */
export function parseMessageDetails(details: Json): MessageDetails | undefined {
  const { messageCode, event, controlId } = details;
  if (typeof messageCode !== 'string' || typeof event !== 'string' || typeof controlId !== 'string') return undefined;
  return {
    messageCode,
    event,
    controlId,
    ...optional('messageTime', details.messageTime),
    ...optional('version', details.version),
    ...systemName('sendingApplication', details.sendingApplication),
    ...systemName('sendingFacility', details.sendingFacility),
    ...systemName('receivingApplication', details.receivingApplication),
    ...systemName('receivingFacility', details.receivingFacility),
    ...systemName('sendingNetwork', details.sendingNetwork),
    ...systemName('receivingNetwork', details.receivingNetwork),
    ...optional('processingId', details.processingId),
    ...optional('responsible', details.responsible),
    ...optional('receiver', details.receiver),
    ...optional('language', details.language),
    ...optional('software', details.software),
    ...optional('softwareVersion', details.softwareVersion),
    ...optional('eventTime', details.eventTime),
    ...eventReason(details.eventReason),
    ...person('operator', details.operator),
    ...person('verifier', details.verifier),
    ...person('actor', details.actor),
    ...systemName('eventFacility', details.eventFacility),
    ...systemName('updateFacility', details.updateFacility),
  };
}
