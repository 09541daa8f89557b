/** The patient and visit of a message that is about something else: repeated, so they only fill what is not known yet. */
import { encounterChange } from './encounter.ts';
import type { PatientGroup } from './group.ts';
import { patientChange } from './patient.ts';
import { marksOf } from './security.ts';
import type { OrderFrame } from './service-request.ts';
import type { Conversion } from './structure.ts';

/** Adds the Changes of the patient and the visit; what their orders need to know of them. `event`: `planned` for appointments. */
export function patientContext(
  conversion: Conversion,
  group: PatientGroup,
  event: 'context' | 'planned' = 'context',
): OrderFrame {
  const { context, list, sourceTime, used } = conversion;
  const marks = marksOf(context, context.message.segments);
  const patient = patientChange(context, list, group, marks, false);
  const { pv1, pv2 } = group;
  const encounter = pv1 === undefined ? undefined : encounterChange(context, list, { pv1, pv2 }, patient, event, marks);
  return { patient, encounter, marks, sourceTime, used, requests: new Map(), firsts: new Map() };
}
