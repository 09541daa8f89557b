/** The one business key form of patients, shared by every protocol: otherwise an image and a lab result of one person part ways. */
import type { BusinessKey } from '../formats/fhir/change.ts';

/** Key of a patient by an identifier and the system (URI) of its assigner, both exactly as they stand in `identifier`. */
export function patientIdentifierKey(system: string, value: string): BusinessKey {
  return ['identifier', system, value];
}
