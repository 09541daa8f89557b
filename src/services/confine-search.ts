/**
 * A search by somebody whose token is bound to one patient is confined to that patient, whatever it asks for. This only spares
 * work and candidates: what may be seen is decided for each record all the same.
 */
import type { Principal } from '../core/principal.ts';
import { parametersOf } from '../search/parameters.ts';
import { supportOf } from '../search/support.ts';

type Parameters = readonly (readonly [string, string])[];

/**
 * The parameters with one more that names the patient, where the type has one. `charts`: ids of all Patients as whom the principal's
 * patient is known.
 */
export function confine(
  principal: Principal,
  type: string,
  parameters: Parameters,
  charts: readonly string[],
): Parameters {
  const { patient } = principal;
  if (patient === undefined || !isBound(principal)) return parameters;
  if (type === 'Patient') return [...parameters, ['_id', [patient, ...charts].join(',')]];
  // A Provenance may be about records of a patient without naming the patient.
  if (type === 'Provenance') return parameters;
  const name = parametersOf(type).get('patient');
  if (name === undefined || supportOf(type, name) !== 'patient') return parameters;
  return [...parameters, ['patient', `Patient/${patient}`]];
}

/** True when nothing of another patient can be permitted: the patient, or a token whose scopes are all of level patient. */
function isBound(principal: Principal): boolean {
  return principal.role === 'patient' || principal.scopes.every(({ level }) => level === 'patient');
}
