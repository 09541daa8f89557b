/**
 * Provenance (FHIR R4) rendered from a manifest: which message of which source made these versions, when, through which
 * gateway, and where the ledger proves it; and, for messages of other standards, that the gateway turned them into FHIR (v2-to-FHIR
 * MSH[Provenance-Source] and [Provenance-Transformation]). Never stored; what a client submits is another Provenance.
 */
import { codeTable } from '../core/code-table.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import type { OperatorName } from './message-details.ts';
import { sourceUri, type RenderedMessage } from './rendered.ts';
import type { Submitter } from './submitter.ts';

const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';
const ROLE = 'https://anamnesis.health/fhir/role';
const URI = 'urn:ietf:rfc:3986';
const DATA_ABSENT_REASON = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

type Json = Readonly<Record<string, unknown>>;

const OPERATIONS: Readonly<Record<string, string>> = codeTable({
  create: 'CREATE',
  update: 'UPDATE',
  delete: 'DELETE',
});

function coding(system: string, code: string): Json {
  return { coding: [{ system, code }] };
}

function agent(type: string, who: Json, more: Json = {}): Json {
  return { type: coding(PARTICIPANT, type), ...more, who };
}

function identified(system: string, value: string): Json {
  return { identifier: { system, value } };
}

function gateway({ origin }: RenderedMessage, type: 'assembler' | 'custodian'): Json {
  return agent(type, identified(URI, `https://${origin}`));
}

/** The ledger's leaf, whose receipt `/ledger/receipt/<leaf>` gives; and that of the message as it came, where that is another. */
function anchors({ origin, leaf, original }: RenderedMessage): readonly Json[] {
  return [leaf, ...(original === undefined ? [] : [original])].map((one) => {
    return { role: 'source', what: identified(`https://${origin}/ledger`, String(one)) };
  });
}

function common({ receivedAt, produced }: RenderedMessage, id: string): Pick<StoredResource, 'id' | 'meta'> & Json {
  const received = new Date(receivedAt).toISOString();
  return {
    id,
    meta: { versionId: '1', lastUpdated: received },
    target: produced.map((reference) => ({ reference })),
    recorded: received,
  };
}

function authors(rendered: RenderedMessage): readonly Json[] {
  const { message, source, submitter } = rendered;
  if (submitter !== undefined) return clientAgents(submitter);
  const facility = message?.sendingFacility;
  if (facility?.name === undefined) return [agent('author', identified(URI, sourceUri(source)))];
  return [agent('author', identified(facility.uri ?? sourceUri(source), facility.name))];
}

/** The person or system of the token, and the application that spoke for them. */
function clientAgents({ issuer, role, subject, patient, client }: Submitter): readonly Json[] {
  const who =
    patient !== undefined
      ? { reference: patient }
      : subject !== undefined
        ? identified(issuer, subject)
        : { type: 'Patient', display: 'the patient' };
  const author = agent('author', who, { role: [coding(ROLE, role)] });
  return client === undefined || client === subject
    ? [author]
    : [author, agent('composer', identified(issuer, client))];
}

function activity({ message, submitter }: RenderedMessage): Json {
  const operation = OPERATIONS[submitter?.interaction ?? ''];
  if (operation !== undefined) return coding('http://terminology.hl7.org/CodeSystem/v3-DataOperation', operation);
  const received = coding('http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', 'receive');
  return message === undefined ? received : { ...received, text: `message - ${message.messageCode}^${message.event}` };
}

/** EVN-5 (SCH-20, ORC-10), who entered it; ORC-11, who verified it; ORC-19, who acted; PID-34, who last changed the patient's data. */
function participants({ message, source }: RenderedMessage): readonly Json[] {
  const { operator, verifier, actor, updateFacility } = message ?? {};
  return [
    ...(operator === undefined ? [] : [agent('enterer', personOf(operator))]),
    ...(verifier === undefined ? [] : [agent('verifier', personOf(verifier))]),
    ...(actor === undefined ? [] : [agent('performer', personOf(actor))]),
    ...(updateFacility?.name === undefined
      ? []
      : [agent('performer', identified(updateFacility.uri ?? sourceUri(source), updateFacility.name))]),
  ];
}

function personOf({ system, value, name }: OperatorName): Json {
  return {
    ...(value === undefined ? {} : { identifier: { ...(system === undefined ? {} : { system }), value } }),
    ...(name === undefined ? {} : { display: name }),
  };
}

/** The purpose of a client, or EVN-4, whose `U` says that the reason is unknown. */
function reasons({ submitter, message }: RenderedMessage): Json {
  if (submitter?.purpose !== undefined)
    return { reason: [coding('http://terminology.hl7.org/CodeSystem/v3-ActReason', submitter.purpose)] };
  const reason = message?.eventReason;
  if (reason === undefined) return {};
  return reason.code === 'U' && reason.system.endsWith('v2-0062')
    ? { reason: [{ extension: [{ url: DATA_ABSENT_REASON, valueCode: 'unknown' }] }] }
    : { reason: [coding(reason.system, reason.code)] };
}

/** EVN-7. */
function place({ message, source }: RenderedMessage): Json {
  const facility = message?.eventFacility;
  if (facility?.name === undefined) return {};
  return { location: { ...identified(facility.uri ?? sourceUri(source), facility.name), display: facility.name } };
}

/**
 * Where what a message produced came from. `occurred` is when it happened (EVN-6), else when its sender says that the message was made,
 * `recorded` when it came. One for what the guide says in three (MSH[Provenance-Source], EVN[Provenance], PID[Provenance-Patient]).
 */
export function renderProvenance(rendered: RenderedMessage): StoredResource {
  const { message } = rendered;
  const occurred = message?.eventTime ?? message?.messageTime;
  const control = message && { role: 'source', what: identified(sourceUri(rendered.source), message.controlId) };
  return {
    resourceType: 'Provenance',
    ...common(rendered, rendered.id),
    ...(occurred === undefined ? {} : { occurredDateTime: occurred }),
    ...place(rendered),
    ...reasons(rendered),
    activity: activity(rendered),
    agent: [...authors(rendered), ...participants(rendered), gateway(rendered, 'custodian')],
    entity: [...anchors(rendered), ...(control === undefined ? [] : [control])],
  };
}

/**
 * That the gateway made FHIR of a message that was not; undefined for what came as FHIR, and for its own moves. `id`: of this resource, besides the
 * one of the source, which it names.
 */
export function renderTransformation(rendered: RenderedMessage, id: string): StoredResource | undefined {
  const { kind } = rendered;
  if (kind === 'fhir' || kind === 'move') return undefined;
  return {
    resourceType: 'Provenance',
    ...common(rendered, id),
    activity:
      kind === 'hl7v2'
        ? coding(
            'http://hl7.org/fhir/uv/v2mappings/CodeSystem/provenance-activity-type-v2-to-fhir',
            'v2-fhir-transformation',
          )
        : coding('http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle', 'transform'),
    agent: [gateway(rendered, 'assembler')],
    entity: [
      ...anchors(rendered),
      ...(rendered.message === undefined
        ? []
        : [{ role: 'source', what: { reference: `MessageHeader/${rendered.id}` } }]),
    ],
  };
}
