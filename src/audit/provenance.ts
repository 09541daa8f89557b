/**
 * Provenance (FHIR R4) rendered from a manifest: which message of which source made these versions, when, through which
 * gateway, and where the ledger proves it. Never stored; what a client submits is another Provenance.
 */
import type { StoredResource } from '../formats/fhir/resource.ts';
import { sourceUri, type RenderedMessage } from './rendered.ts';

const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

function agent(code: string, system: string, value: string): Readonly<Record<string, unknown>> {
  return { type: { coding: [{ system: PARTICIPANT, code }] }, who: { identifier: { system, value } } };
}

/** The Provenance of what one message produced. `entity` names the manifest's leaf, whose receipt `/ledger/receipt/<leaf>` gives. */
export function renderProvenance(rendered: RenderedMessage): StoredResource {
  const { message, origin } = rendered;
  const received = new Date(rendered.receivedAt).toISOString();
  const facility = message?.sendingFacility;
  const author =
    facility?.name === undefined
      ? agent('author', 'urn:ietf:rfc:3986', sourceUri(rendered.source))
      : agent('author', facility.uri ?? sourceUri(rendered.source), facility.name);
  return {
    resourceType: 'Provenance',
    id: rendered.id,
    meta: { versionId: '1', lastUpdated: received },
    target: rendered.produced.map((reference) => ({ reference })),
    ...(message?.messageTime === undefined ? {} : { occurredDateTime: message.messageTime }),
    recorded: received,
    activity: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle',
          code: message === undefined ? 'receive' : 'transform',
        },
      ],
    },
    agent: [author, agent('assembler', 'urn:ietf:rfc:3986', `https://${origin}`)],
    entity: [
      { role: 'source', what: { identifier: { system: `https://${origin}/ledger`, value: String(rendered.leaf) } } },
      ...(message === undefined
        ? []
        : [{ role: 'source', what: { identifier: { system: sourceUri(rendered.source), value: message.controlId } } }]),
    ],
  };
}
