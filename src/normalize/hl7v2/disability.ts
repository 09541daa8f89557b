/** DB1 to Flag. The guide maps none of it: ours. Only that of the patient; others' disabilities are not of this record. */
import { cxIdentifier } from './datatypes/identifier.ts';
import type { Claimed } from './claim.ts';
import { clinicalMeta, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, periodOf } from './context.ts';

const CATEGORY = 'http://terminology.hl7.org/CodeSystem/flag-category';

/** True when a Flag was made: DB1-2 is `PT` or empty, and DB1-4 says yes or no. */
export function disabilityChange(frame: ClinicalFrame, { segment: db1, number }: Claimed): boolean {
  const { context, list } = frame;
  const indicator = firstOf(context, db1.field(4));
  const of = firstOf(context, db1.field(2)) ?? 'PT';
  if (of !== 'PT' || (indicator !== 'Y' && indicator !== 'N')) return false;
  const identifier = cxIdentifier(context, db1.field(3), '', `DB1[${number}]-3`);
  list.add({
    type: 'Flag',
    keys: [ofPatient(frame, 'disability', identifier?.system ?? '', identifier?.value ?? '')],
    set: {
      resourceType: 'Flag',
      ...clinicalMeta(frame),
      ...compact({
        status: indicator === 'Y' ? 'active' : 'inactive',
        category: [{ coding: [{ system: CATEGORY, code: 'admin', display: 'Administrative' }] }],
        code: { text: 'Disabled person' },
        subject: subjectOf(frame),
        period: periodOf(context, db1.field(5), db1.field(6), `DB1[${number}]-5`),
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
  });
  return true;
}
