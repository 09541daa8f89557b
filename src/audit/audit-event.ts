/**
 * An AccessEvent as a FHIR R4 AuditEvent in the shape of IHE BALP (PatientRead, PatientQuery, PatientCreate, PatientUpdate,
 * PatientDelete): agents client, server and user; entities patient, data, query and request. Compact, since one is sealed
 * for every read: no displays, no narrative, about 2.2 KB of JSON and 0.8 KB deflated.
 */
import type { Resource, StoredResource } from '../formats/fhir/resource.ts';
import type { AccessEvent, AccessInteraction } from './access-event.ts';

/** References to records that one event lists; `count` says how many there were. */
export const AUDITED_REFERENCES = 64;

const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const ROLE = 'https://anamnesis.health/fhir/role';

const ACTION: Readonly<Record<AccessInteraction, 'C' | 'R' | 'U' | 'D' | 'E'>> = {
  read: 'R',
  vread: 'R',
  'history-instance': 'R',
  'search-type': 'E',
  create: 'C',
  update: 'U',
  delete: 'D',
  transaction: 'E',
  operation: 'E',
};

const READS: readonly AccessInteraction[] = ['read', 'vread', 'history-instance', 'operation'];

type Json = Readonly<Record<string, unknown>>;

function agents(event: AccessEvent, origin: string): readonly Json[] {
  const { principal } = event;
  // BALP: a read flows from the server (source 110153) to the client (destination 110152); everything else the other way.
  const [client, server] = READS.includes(event.interaction) ? ['110152', '110153'] : ['110153', '110152'];
  const type = (system: string, code: string): Json => ({ coding: [{ system, code }] });
  const clientAgent = {
    type: type(DCM, client),
    who: { identifier: { value: principal.client ?? principal.subject } },
    requestor: false,
    network: { address: event.address ?? 'unknown', type: event.address === undefined ? '1' : '2' },
  };
  const serverAgent = {
    type: type(DCM, server),
    who: { identifier: { value: origin } },
    requestor: false,
    network: { address: origin, type: '5' },
  };
  const { interaction } = event;
  const userAgent = {
    type: type(PARTICIPATION, interaction === 'create' || interaction === 'update' ? 'AUT' : 'IRCP'),
    role: [type(ROLE, principal.role)],
    who: { identifier: { system: principal.issuer, value: principal.subject } },
    requestor: true,
    ...(principal.tokenId === undefined ? {} : { policy: [`urn:ietf:params:oauth:jti:${principal.tokenId}`] }),
    purposeOfUse: [type('http://terminology.hl7.org/CodeSystem/v3-ActReason', principal.purpose)],
  };
  return [clientAgent, serverAgent, userAgent];
}

function entities(event: AccessEvent): readonly Json[] {
  const list: Json[] = [];
  const coded = (system: string, code: string): Json => ({ system, code });
  if (event.patientId !== undefined) {
    list.push({
      what: { reference: `Patient/${event.patientId}` },
      type: coded(ENTITY_TYPE, '1'),
      role: coded(OBJECT_ROLE, '1'),
    });
  }
  for (const reference of event.references.slice(0, AUDITED_REFERENCES)) {
    list.push({ what: { reference }, type: coded(ENTITY_TYPE, '2'), role: coded(OBJECT_ROLE, '4') });
  }
  for (const reference of event.consents) {
    list.push({ what: { reference }, type: coded(ENTITY_TYPE, '2'), role: coded(OBJECT_ROLE, '13') });
  }
  if (event.query !== undefined) {
    list.push({
      type: coded(ENTITY_TYPE, '2'),
      role: coded(OBJECT_ROLE, '24'),
      query: Buffer.from(event.query).toString('base64'),
    });
  }
  if (event.requestId !== undefined) {
    list.push({
      what: { identifier: { value: event.requestId } },
      type: coded('https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType', 'XrequestId'),
    });
  }
  return list;
}

function description(event: AccessEvent): string {
  const counted = event.count === undefined ? [] : [`${event.count} records`];
  return [event.outcome, ...event.reasons, event.combiner, ...counted].filter((part) => part !== '').join('; ');
}

/** Renders the event. `origin` names the gateway, which observed it. Version and time of the record are the event's. */
export function auditEventOf(event: AccessEvent, origin: string): StoredResource {
  const recorded = new Date(event.recorded).toISOString();
  const resource = {
    resourceType: 'AuditEvent',
    id: event.id,
    meta: { versionId: '1', lastUpdated: recorded },
    type: { system: 'http://terminology.hl7.org/CodeSystem/audit-event-type', code: 'rest' },
    subtype: [{ system: 'http://hl7.org/fhir/restful-interaction', code: event.interaction }],
    action: ACTION[event.interaction],
    recorded,
    // audit-event-outcome: 0 success, 4 minor failure: the action was refused or met nothing.
    outcome: event.outcome === 'permitted' ? '0' : '4',
    outcomeDesc: description(event),
    agent: agents(event, origin),
    source: {
      observer: { identifier: { value: origin } },
      type: [{ system: 'http://terminology.hl7.org/CodeSystem/security-source-type', code: '4' }],
    },
  };
  const entity = entities(event);
  return entity.length === 0 ? resource : { ...resource, entity };
}

/** Reasons of an AuditEvent that this gateway wrote, outcome first; empty for others. For views of the audit trail. */
export function reasonsOf(resource: Resource): readonly string[] {
  const { outcomeDesc } = resource;
  return resource.resourceType === 'AuditEvent' && typeof outcomeDesc === 'string' ? outcomeDesc.split('; ') : [];
}
