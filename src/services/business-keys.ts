/**
 * Business keys of what FHIR clients send (DESIGN section 6): the identifiers of a Patient, in the same form as HL7 v2 and
 * DICOM messages give them, so that all three mean the same person.
 */
import type { BusinessKey } from '../formats/fhir/change.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { identifierKey } from '../normalize/hl7v2/source-profile.ts';

/** Keys of the identifiers that have system and value. Other types are known by their id alone. */
export function businessKeys(resource: Resource): readonly BusinessKey[] {
  const { resourceType, identifier } = resource;
  if (resourceType !== 'Patient' || !Array.isArray(identifier)) return [];
  const keys: BusinessKey[] = [];
  for (const entry of identifier) {
    if (!isIdentifier(entry) || entry.system === undefined || entry.value === undefined) continue;
    keys.push(identifierKey(entry.system, entry.value));
  }
  return keys;
}

function isIdentifier(value: unknown): value is { readonly system?: string; readonly value?: string } {
  return typeof value === 'object' && value !== null;
}
