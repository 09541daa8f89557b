/** MessageHeader (FHIR R4) rendered from a manifest, after the HL7 v2 to FHIR map of MSH. Never stored. */
import type { StoredResource } from '../formats/fhir/resource.ts';
import type { SystemName } from './message-details.ts';
import { sourceUri, type RenderedMessage } from './rendered.ts';

const V2_EVENT = 'http://terminology.hl7.org/CodeSystem/v2-0003';

function party(
  application: SystemName | undefined,
  facility: SystemName | undefined,
  fallback: string,
): Readonly<Record<string, unknown>> {
  const name = application?.name ?? facility?.name;
  return {
    ...(name === undefined ? {} : { name }),
    endpoint: application?.uri ?? facility?.uri ?? sourceUri(name ?? fallback),
  };
}

/** The MessageHeader of an HL7 v2 message; undefined for messages of other kinds. */
export function renderMessageHeader(rendered: RenderedMessage): StoredResource | undefined {
  const { message, source, produced } = rendered;
  if (message === undefined) return undefined;
  const { sendingApplication, sendingFacility, receivingApplication, receivingFacility } = message;
  const sender = sendingFacility?.name;
  const destination =
    receivingApplication === undefined && receivingFacility === undefined
      ? {}
      : { destination: [party(receivingApplication, receivingFacility, rendered.origin)] };
  return {
    resourceType: 'MessageHeader',
    id: rendered.id,
    meta: { versionId: '1', lastUpdated: new Date(rendered.receivedAt).toISOString() },
    eventCoding: { system: V2_EVENT, code: message.event },
    ...destination,
    ...(sender === undefined ? {} : { sender: { display: sender } }),
    source: party(sendingApplication, sendingFacility, source),
    focus: produced.map((reference) => ({ reference })),
  };
}
