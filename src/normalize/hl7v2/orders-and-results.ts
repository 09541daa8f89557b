/** Messages that tell of orders and of results alike (PPR, PGL, PPP, REF): each order group is what it says it is. */
import { firstOf, type Context } from './context.ts';
import type { PatientGroup } from './group.ts';
import { patientResults } from './oru-r01.ts';
import type { OrderGroup } from './order-group.ts';
import { orderChange } from './orders.ts';
import type { OrderFrame } from './service-request.ts';
import type { Conversion } from './structure.ts';

/** Adds the Changes of the orders and results of a patient. Throws as `orderChange` and `orderChanges`. */
export function ordersAndResults(conversion: Conversion, group: PatientGroup, orders: OrderFrame): void {
  const placed = group.orders.filter((order) => isPlaced(conversion.context, order));
  patientResults(conversion, { ...group, orders: group.orders.filter((order) => !placed.includes(order)) }, orders);
  const frame = { ...orders, results: new Map() };
  placed.forEach((order, i) => {
    orderChange(conversion, order, frame, i + 1, []);
  });
}

/** Below an ORC, and neither reported (OBR-22, 25) nor with results. */
function isPlaced(context: Context, { orc, obr, observations }: OrderGroup): boolean {
  if (orc === undefined || observations.length > 0) return false;
  return [22, 25].every((field) => firstOf(context, obr?.field(field)) === undefined);
}
