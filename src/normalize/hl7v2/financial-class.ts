/** PV1-20 to Coverage.type (map PV1[Coverage]): how the visit is paid for, where the message may name no insurer. */
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { nameOfConcept, ofPatient, personalMeta, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, periodOf, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';

const DATA_ABSENT_REASON = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/** FC.1 of each repetition: a code, in newer versions with its text as subcomponents. */
export function financialClasses(
  context: Context,
  pv1: Segment | undefined,
): readonly { concept: Element; raw: string }[] {
  return repetitions(pv1?.field(20) ?? '', context.by).flatMap((raw) => {
    const [code = ''] = components(raw, context.by);
    const concept = conceptOf(context, subcomponents(code, context.by).join(context.by.component), `${V2_TABLE}0064`);
    return concept === undefined ? [] : [{ concept, raw }];
  });
}

/**
 * A Coverage for each financial class of a visit whose message names no insurance: its payor is unknown (ours: R4 wants one). One for
 * each patient and class.
 */
export function financialClassChanges(frame: ClinicalFrame, pv1: Segment | undefined): void {
  const { context, list } = frame;
  for (const { concept, raw } of financialClasses(context, pv1)) {
    list.add({
      type: 'Coverage',
      keys: [ofPatient(frame, 'financial-class', nameOfConcept(concept))],
      set: {
        resourceType: 'Coverage',
        ...personalMeta(frame),
        ...compact({
          status: 'active',
          type: concept,
          beneficiary: subjectOf(frame),
          period: periodOf(context, components(raw, context.by)[1], undefined, 'PV1-20'),
        }),
      },
      initial: { payor: [{ extension: [{ url: DATA_ABSENT_REASON, valueCode: 'unknown' }] }] },
    });
  }
}
