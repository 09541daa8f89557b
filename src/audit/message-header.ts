/** MessageHeader (FHIR R4) rendered from a manifest, after the HL7 v2 to FHIR map of MSH. Never stored. */
import type { StoredResource } from '../formats/fhir/resource.ts';
import type { SystemName } from './message-details.ts';
import { sourceUri, type RenderedMessage } from './rendered.ts';

const V2_EVENT = 'http://terminology.hl7.org/CodeSystem/v2-0003';

const PROCESSING = 'http://terminology.hl7.org/CodeSystem/v2-0103';

type Json = Readonly<Record<string, unknown>>;

/** HD to name and endpoint: the address in the network (MSH-24, MSH-25) says more than the application's own. */
function party(
  application: SystemName | undefined,
  facility: SystemName | undefined,
  network: SystemName | undefined,
  fallback: string,
): Json {
  const name = application?.name ?? facility?.name ?? network?.name;
  return {
    ...(name === undefined ? {} : { name }),
    endpoint: network?.uri ?? application?.uri ?? facility?.uri ?? sourceUri(name ?? fallback),
  };
}

function named(name: 'sender' | 'receiver' | 'responsible', display: string | undefined): Json {
  return display === undefined ? {} : { [name]: { display } };
}

/** The MessageHeader of an HL7 v2 message; undefined for messages of other kinds. */
export function renderMessageHeader(rendered: RenderedMessage): StoredResource | undefined {
  const { message, source, produced } = rendered;
  if (message === undefined) return undefined;
  const { sendingApplication, sendingFacility, receivingApplication, receivingFacility } = message;
  const { sendingNetwork, receivingNetwork, processingId, software, softwareVersion } = message;
  const receiver = message.receiver ?? receivingFacility?.name;
  const isAddressed = [receivingApplication, receivingNetwork, receiver].some((part) => part !== undefined);
  const destination = {
    ...party(receivingApplication, receivingFacility, receivingNetwork, rendered.origin),
    ...named('receiver', receiver),
  };
  return {
    resourceType: 'MessageHeader',
    id: rendered.id,
    meta: {
      versionId: '1',
      lastUpdated: new Date(rendered.receivedAt).toISOString(),
      ...(processingId === undefined ? {} : { tag: [{ system: PROCESSING, code: processingId }] }),
    },
    ...(message.language === undefined ? {} : { language: message.language }),
    eventCoding: { system: V2_EVENT, code: message.event },
    ...(isAddressed ? { destination: [destination] } : {}),
    ...named('sender', sendingFacility?.name),
    ...named('responsible', message.responsible),
    source: {
      ...party(sendingApplication, sendingFacility, sendingNetwork, source),
      ...(software === undefined ? {} : { software }),
      ...(softwareVersion === undefined ? {} : { version: softwareVersion }),
    },
    focus: produced.map((reference) => ({ reference })),
  };
}
