/**
 * MRG of A06 and A07 (map MRG[Account]): a patient's class changes, and with it perhaps the numbers of account and visit. The visit goes
 * on under the new number; the old account is another one, of which the message says no more.
 */
import { changeReference } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { accountKey } from './account.ts';
import { subjectOf, personalMeta, type ClinicalFrame } from './clinical.ts';
import { facilityKey } from './facility-key.ts';
import { priorAccount, priorVisit } from './mrg.ts';

/** Adds the prior account (MRG-3), and the prior visit number (MRG-5) to the keys of the visit. */
export function classChange(frame: ClinicalFrame, mrg: Segment): void {
  const { context, list, patient, encounter, account } = frame;
  if (mrg.field(3) !== '') {
    const prior = priorAccount(context, mrg);
    const key = accountKey(patient, prior);
    const isSame = account !== undefined && JSON.stringify(list.changes[account].keys[0]) === JSON.stringify(key);
    if (!isSame) {
      const index = list.add({
        type: 'Account',
        keys: [key],
        patient: patient.index,
        set: { resourceType: 'Account', ...personalMeta(frame), subject: [subjectOf(frame)] },
        append: { identifier: [prior.identifier] },
        initial: { status: 'unknown' },
      });
      if (account !== undefined) list.setOn(account, { partOf: { reference: changeReference(index) } });
    }
  }
  if (encounter !== undefined && mrg.field(5) !== '') {
    const prior = priorVisit(context, mrg);
    const { keys } = list.changes[encounter];
    const key = facilityKey(context, 'visit', prior);
    if (keys.some((known) => JSON.stringify(known) === JSON.stringify(key))) return;
    list.amend(encounter, { keys: [...keys, key], retire: [prior] });
  }
}
