/** ORU_R01 and ORU_R30, unsolicited results: patients, their visits as context, their orders with results. */
import { groupSegments, type PatientGroup } from './group.ts';
import { orderChanges } from './order.ts';
import { isServiceOrder } from './order-group.ts';
import { patientContext } from './patient-context.ts';
import type { OrderFrame } from './service-request.ts';
import type { Conversion } from './structure.ts';
import { visitObservations } from './visit-observations.ts';

/** Throws `required-missing` without PID, and as `orderChanges`. */
export function oruR01(conversion: Conversion): void {
  for (const patient of groupSegments(conversion))
    patientResults(conversion, patient, patientContext(conversion, patient));
}

/** The results of a patient: those below no order, then each order with its own. */
export function patientResults(conversion: Conversion, group: PatientGroup, orders: OrderFrame): void {
  const { context, list } = conversion;
  const frame = { ...orders, results: new Map() };
  // Results without OBR are about the patient.
  const loose = group.orders.filter((order) => !isServiceOrder(order)).flatMap(({ observations }) => observations);
  const observations = loose.length === 0 ? group.observations : [...group.observations, ...loose];
  visitObservations(context, list, observations, { ...frame, index: frame.patient.index });
  for (const order of group.orders) if (isServiceOrder(order)) orderChanges(context, list, order, frame);
}
