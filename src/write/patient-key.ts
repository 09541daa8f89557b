/** The patient that a reference of a record names. */
import type { ResourceKey } from '../core/ids.ts';
import { parseReference } from '../formats/fhir/references.ts';
import { resourceKey, type IndexSecret } from '../keys/index-secret.ts';

/** Key of the Patient of this gateway that is named; undefined for no reference, another type, or another server. */
export function patientKey(secret: IndexSecret, reference: string | undefined): ResourceKey | undefined {
  const parsed = reference === undefined ? undefined : parseReference(reference);
  return parsed?.local === true && parsed.type === 'Patient' ? resourceKey(secret, parsed.type, parsed.id) : undefined;
}
