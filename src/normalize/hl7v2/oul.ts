/** OUL_R21, OUL_R22, OUL_R23 and OUL_R24, results by specimen: read as ORU_R01 once it is known where an order begins. */
import { groupSegments, type OrderStart, type PatientGroup } from './group.ts';
import { observationChange, type ObservationGroup } from './observation.ts';
import { orderChanges } from './order.ts';
import { isServiceOrder, type SpecimenGroup } from './order-group.ts';
import { patientContext } from './patient-context.ts';
import type { OrderFrame } from './service-request.ts';
import { specimenChange } from './specimen.ts';
import type { Conversion, Structure } from './structure.ts';
import { visitObservations } from './visit-observations.ts';

/** The structure of an OUL message. */
export function oul(start: OrderStart): Structure {
  return (conversion) => {
    for (const group of groupSegments(conversion, start)) patientResult(conversion, group);
  };
}

function patientResult(conversion: Conversion, group: PatientGroup): void {
  const { context, list } = conversion;
  const frame = { ...patientContext(conversion, group), results: new Map() };
  const ofPatient = group.observations.filter(({ specimen }) => specimen === undefined);
  const loose = group.orders.filter((order) => !isServiceOrder(order)).flatMap(({ observations }) => observations);
  visitObservations(context, list, [...ofPatient, ...loose], { ...frame, index: frame.patient.index });
  const specimens = new Map<SpecimenGroup, number>();
  for (const order of group.orders) {
    if (!isServiceOrder(order)) continue;
    const made = orderChanges(context, list, order, frame);
    order.specimens.forEach((specimen, i) => specimens.set(specimen, made[i]));
  }
  for (const observation of group.observations) {
    if (observation.specimen !== undefined) specimenObservation(conversion, observation, frame, specimens);
  }
}

/** OBX between SPM and OBR say something of the specimen itself. */
function specimenObservation(
  { context, list }: Conversion,
  observation: ObservationGroup,
  frame: OrderFrame,
  specimens: Map<SpecimenGroup, number>,
): void {
  const { specimen } = observation;
  if (specimen === undefined) return;
  const orderKey = ['message', context.profile.name, context.controlId];
  const index =
    specimens.get(specimen) ??
    specimenChange(context, list, specimen, {
      patient: frame.patient.index,
      request: undefined,
      key: orderKey,
      marks: frame.marks,
      orderMarks: [],
      firsts: frame.firsts,
    });
  specimens.set(specimen, index);
  observationChange(context, list, observation, {
    key: ['specimen', ...list.changes[index].keys[0]],
    patient: frame.patient.index,
    encounter: frame.encounter,
    basedOn: undefined,
    specimen: index,
    observedAt: undefined,
    category: undefined,
    sourceTime: frame.sourceTime,
    marks: frame.marks,
    orderMarks: [],
    used: frame.used,
  });
}
