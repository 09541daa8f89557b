/** ORU_R01, unsolicited results: patients, their visits as context, their orders with results. */
import { encounterChange } from './encounter.ts';
import { groupSegments, type PatientGroup } from './group.ts';
import { orderChanges } from './order.ts';
import { isServiceOrder } from './order-group.ts';
import { patientChange } from './patient.ts';
import { marksOf } from './security.ts';
import type { Conversion } from './structure.ts';
import { visitObservations } from './visit-observations.ts';

/** Throws `required-missing` without PID. */
export function oruR01(conversion: Conversion): void {
  for (const patient of groupSegments(conversion)) patientResult(conversion, patient);
}

function patientResult(conversion: Conversion, group: PatientGroup): void {
  const { context, list, sourceTime, used } = conversion;
  const marks = marksOf(context, context.message.segments);
  const patient = patientChange(context, list, group, marks, false);
  const { pv1, pv2 } = group;
  const encounter =
    pv1 === undefined ? undefined : encounterChange(context, list, { pv1, pv2 }, patient, 'context', marks);
  // Results without OBR are about the patient.
  const loose = group.orders.filter((order) => !isServiceOrder(order)).flatMap(({ observations }) => observations);
  const observations = loose.length === 0 ? group.observations : [...group.observations, ...loose];
  visitObservations(context, list, observations, { index: patient.index, encounter, sourceTime, used, marks });
  const frame = { patient, encounter, marks, sourceTime, used, requests: new Map(), results: new Map() };
  for (const order of group.orders) if (isServiceOrder(order)) orderChanges(context, list, order, frame);
}
