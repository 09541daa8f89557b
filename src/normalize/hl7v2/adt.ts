/** The ADT structures: who the patient is, what became of the visit, and what else is said of both. */
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { accountChange } from './account.ts';
import { claimSegments, type Claims } from './claim.ts';
import { encounterChange } from './encounter.ts';
import { groupSegments, type PatientGroup } from './group.ts';
import { patientChange } from './patient.ts';
import { PATIENT_SEGMENTS, patientSegments } from './patient-segments.ts';
import { marksOf } from './security.ts';
import { severalPatients } from './several-patients.ts';
import { restOf, type Conversion, type Structure } from './structure.ts';
import { visitRule, type VisitEvent } from './visit-event.ts';
import { visitObservations } from './visit-observations.ts';

/** The structure of an event. Throws `required-missing` without PID, or without PV1 where the event is of a visit. */
export function adt(event: VisitEvent): Structure {
  return (conversion) => {
    const claims = claimSegments(conversion, PATIENT_SEGMENTS);
    const [group, another] = groupSegments(restOf(conversion, claims.rest));
    if (another !== undefined) throw severalPatients();
    adtPatient(conversion, group, claims, event);
  };
}

/** A17, two patients who change places: each with their visit. */
export function adtA17(conversion: Conversion): void {
  const claims = claimSegments(conversion, {});
  for (const group of groupSegments(restOf(conversion, claims.rest)))
    adtPatient(conversion, group, { ...claims, rolesOfPatient: [], rolesOfVisit: [] }, 'A17');
}

function adtPatient(conversion: Conversion, group: PatientGroup, claims: Claims, event: VisitEvent): void {
  const { context, list, sourceTime, used } = conversion;
  const marks = marksOf(context, context.message.segments);
  const { pid, pd1, nk1, pv1, pv2 } = group;
  const patient = patientChange(context, list, { pid, pd1, nk1, roles: claims.rolesOfPatient }, marks, true);
  if (event === 'A29') list.setOn(patient.index, { active: false });
  if (pv1 === undefined && visitRule(event).withoutVisit !== true)
    throw new GatewayError('required-missing', 'the message has no PV1 segment', { expression: 'PV1' });
  const encounter =
    pv1 === undefined
      ? undefined
      : encounterChange(context, list, { pv1, pv2, roles: claims.rolesOfVisit }, patient, event, marks);
  const account = accountChange(context, list, pid, patient, marks);
  if (encounter !== undefined && account !== undefined)
    list.setOn(encounter, { account: [{ reference: changeReference(account) }] });
  patientSegments(
    { context, list, patient, encounter, account, marks, states: true, sourceTime },
    group,
    claims,
    conversion.unmapped,
  );
  visitObservations(context, list, group.observations, { index: patient.index, encounter, sourceTime, used, marks });
}
