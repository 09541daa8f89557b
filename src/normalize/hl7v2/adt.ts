/** The ADT structures: who the patient is, and what became of the visit. */
import { GatewayError } from '../../core/errors.ts';
import { encounterChange, type VisitEvent } from './encounter.ts';
import { groupSegments } from './group.ts';
import { patientChange } from './patient.ts';
import { marksOf } from './security.ts';
import type { Conversion, Structure } from './structure.ts';
import { visitObservations } from './visit-observations.ts';

/** The structure of an event. Throws `required-missing` without PID, or without PV1 where the event is of a visit. */
export function adt(event: VisitEvent): Structure {
  return (conversion) => adtMessage(conversion, event);
}

function adtMessage(conversion: Conversion, event: VisitEvent): void {
  const { context, list, sourceTime, used } = conversion;
  const [group, another] = groupSegments(conversion);
  if (another !== undefined) {
    throw new GatewayError('invalid-content', 'an ADT message of this event has one patient', { expression: 'PID[2]' });
  }
  const marks = marksOf(context, context.message.segments);
  const patient = patientChange(context, list, group, marks, true);
  const { pv1, pv2 } = group;
  if (pv1 === undefined && event !== 'A08')
    throw new GatewayError('required-missing', 'the message has no PV1 segment', { expression: 'PV1' });
  const encounter = pv1 === undefined ? undefined : encounterChange(context, list, { pv1, pv2 }, patient, event, marks);
  visitObservations(context, list, group.observations, { index: patient.index, encounter, sourceTime, used, marks });
}
