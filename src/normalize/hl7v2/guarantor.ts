/** GT1 to Account.guarantor: who pays what the insurer does not. The guide has no map for it: ours. */
import { changeReference } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Claimed } from './claim.ts';
import { subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, firstOf, periodOf, type Element } from './context.ts';
import { relatedPerson } from './related-person.ts';

/** Adds the person of a GT1, and names them at the account. False when it names nobody. */
export function guarantorChange(frame: ClinicalFrame, { segment: gt1, number }: Claimed): boolean {
  const { context, list } = frame;
  const location = `GT1[${number}]`;
  const party = partyOf(frame, location, gt1);
  if (party === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-name' });
    return false;
  }
  if (frame.account !== undefined) {
    const period = periodOf(context, gt1.field(13), gt1.field(14), `${location}-13`);
    list.appendTo(frame.account, 'guarantor', [compact({ party, period })]);
  }
  return firstOf(context, gt1.field(11)) !== 'SEL' || frame.account !== undefined;
}

function partyOf(frame: ClinicalFrame, location: string, gt1: Claimed['segment']): Element | undefined {
  const { context, list } = frame;
  if (firstOf(context, gt1.field(11)) === 'SEL') return subjectOf(frame);
  const index = relatedPerson(frame, 'guarantor', {
    segment: gt1,
    location,
    name: 3,
    relationship: 11,
    address: 5,
    telecom: [
      [6, 'home'],
      [7, 'work'],
    ],
    birthDate: 8,
    gender: 9,
    identifiers: [[2, 'GN']],
  });
  if (index !== undefined) return { reference: changeReference(index) };
  return list.organization(context, repetitions(gt1.field(21), context.by)[0] ?? '');
}
