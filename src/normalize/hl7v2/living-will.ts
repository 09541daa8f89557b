/** PD1-7 to Observation (map PD1[Observation-LivingWill]). */
import type { Segment } from '../../formats/hl7v2/message.ts';
import { clinicalMeta, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';

/** One for each patient: what is said later replaces it. */
export function livingWillChange(frame: ClinicalFrame, pd1: Segment | undefined): void {
  const value = conceptOf(frame.context, pd1?.field(7), `${V2_TABLE}0315`);
  if (value === undefined) return;
  frame.list.add({
    type: 'Observation',
    keys: [ofPatient(frame, 'living-will')],
    set: {
      resourceType: 'Observation',
      ...clinicalMeta(frame),
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '75320-2', display: 'Advance directive' }] },
      subject: subjectOf(frame),
      valueCodeableConcept: value,
    },
  });
}
