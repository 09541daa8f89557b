/** The ADT structures: who the patient is, what became of the visit, and what else is said of both. */
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { accountChange } from './account.ts';
import { claimSegments, type Claims } from './claim.ts';
import { classChange } from './class-change.ts';
import type { ClinicalFrame } from './clinical.ts';
import { encounterChange } from './encounter.ts';
import { groupSegments, type PatientGroup } from './group.ts';
import { patientChange } from './patient.ts';
import { PATIENT_SEGMENTS, patientSegments } from './patient-segments.ts';
import { marksOf } from './security.ts';
import { severalPatients } from './several-patients.ts';
import { restOf, type Conversion, type Structure } from './structure.ts';
import { visitRule, type VisitEvent } from './visit-event.ts';
import { visitObservations } from './visit-observations.ts';

/** Events that may change the numbers of account and visit (MRG). */
const CLASS_CHANGES: ReadonlySet<VisitEvent> = new Set<VisitEvent>(['A06', 'A07']);

/** The structure of an event. Throws `required-missing` without PID, or without PV1 where the event is of a visit. */
export function adt(event: VisitEvent): Structure {
  return (conversion) => {
    const claims = claimSegments(conversion, PATIENT_SEGMENTS);
    const mrg = CLASS_CHANGES.has(event) ? claims.rest.find(({ id }) => id === 'MRG') : undefined;
    const rest = mrg === undefined ? claims.rest : claims.rest.filter((segment) => segment !== mrg);
    const [group, another] = groupSegments(restOf(conversion, rest));
    if (another !== undefined) throw severalPatients();
    const frame = adtPatient(conversion, group, claims, event);
    if (mrg !== undefined) classChange(frame, mrg);
  };
}

/** A17, two patients who change places: each with their visit. */
export function adtA17(conversion: Conversion): void {
  const claims = claimSegments(conversion, {});
  for (const group of groupSegments(restOf(conversion, claims.rest)))
    adtPatient(conversion, group, { ...claims, rolesOfPatient: [], rolesOfVisit: [] }, 'A17');
}

function adtPatient(conversion: Conversion, group: PatientGroup, claims: Claims, event: VisitEvent): ClinicalFrame {
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
  const frame = { context, list, patient, encounter, account, marks, states: true, sourceTime };
  patientSegments(frame, group, claims, conversion.unmapped);
  visitObservations(context, list, group.observations, { index: patient.index, encounter, sourceTime, used, marks });
  return frame;
}
