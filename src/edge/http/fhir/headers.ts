/**
 * The HTTP headers of FHIR's REST (http://hl7.org/fhir/R4/http.html): versions as weak entity tags, preconditions,
 * `Prefer`. What is not supported is refused by name, never passed over.
 */
import { GatewayError } from '../../../core/errors.ts';
import { leafOfGroup, type GroupNumber } from '../../../core/ids.ts';
import type { StoredResource } from '../../../formats/fhir/resource.ts';
import type { Call } from './call.ts';

/** `W/"3"`. */
export function etag(versionId: string): string {
  return `W/"${versionId}"`;
}

/** Headers of a version: entity tag, last change, and the leaf of the manifest that anchors it. */
export function versionHeaders(
  version: { readonly versionId: string; readonly lastUpdated: string },
  group: GroupNumber | undefined,
): Record<string, string> {
  return {
    ETag: etag(version.versionId),
    'Last-Modified': new Date(version.lastUpdated).toUTCString(),
    ...(group === undefined ? {} : { 'Anamnesis-Leaf': String(leafOfGroup(group)) }),
  };
}

const ENTITY_TAG = /^\s*(?:W\/)?"([A-Za-z0-9\-.]{1,64})"\s*$/;

/** The one version id of an entity tag header; undefined when the request has no such header. */
function versionOf(call: Call, name: 'If-Match' | 'If-None-Match'): string | undefined {
  const text = call.header(name.toLowerCase());
  if (text === undefined) return undefined;
  const version = ENTITY_TAG.exec(text)?.[1];
  if (version === undefined) {
    throw new GatewayError('not-supported', `${name} takes exactly one entity tag such as W/"3"`);
  }
  return version;
}

/** `If-Match`: the version that must be current. */
export function ifMatch(call: Call): string | undefined {
  return versionOf(call, 'If-Match');
}

/** True when the caller says that it has this version already (`If-None-Match`). */
export function isKnown(call: Call, resource: StoredResource): boolean {
  return versionOf(call, 'If-None-Match') === resource.meta.versionId;
}

/** Refuses conditional forms of an interaction, which would otherwise be passed over. */
export function refuseConditions(call: Call, ...names: readonly string[]): void {
  for (const name of names) {
    if (call.header(name.toLowerCase()) !== undefined) {
      throw new GatewayError('not-supported', `the header ${name} is not supported by this interaction`);
    }
  }
}

export type ReturnPreference = 'minimal' | 'representation' | 'OperationOutcome';

/** `Prefer: return=...`; representation when nothing is said. `handling=lenient` is refused: nothing is ever ignored here. */
export function returnPreference(call: Call): ReturnPreference {
  let preference: ReturnPreference = 'representation';
  for (const part of (call.header('prefer') ?? '').split(/[,;]/)) {
    const [name = '', value = ''] = part.split('=').map((text) => text.trim().replaceAll('"', ''));
    if (name === 'return') {
      if (value !== 'minimal' && value !== 'representation' && value !== 'OperationOutcome') {
        throw new GatewayError('not-supported', 'Prefer: return takes minimal, representation or OperationOutcome');
      }
      preference = value;
    }
    refuseLenient(name, value);
  }
  return preference;
}

function refuseLenient(name: string, value: string): void {
  if (name === 'handling' && value !== 'strict') {
    throw new GatewayError('not-supported', 'Prefer: handling=lenient is not supported: no parameter is ever ignored');
  }
  if (name === 'respond-async') throw new GatewayError('not-supported', 'Prefer: respond-async is not supported');
}
