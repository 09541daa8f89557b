/**
 * What was filed under the wrong patient and moves to the right one: a visit (A45), an account with what hangs on it (A44), or a number
 * of a patient from one person to another (A43). Of visits and accounts the writer reseals the record under the patient of PID.
 */
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { accountChange, accountKey, accountOf } from './account.ts';
import { requiredAccount } from './adt-account.ts';
import { requiredVisit } from './adt-visit.ts';
import { facilityKey } from './facility-key.ts';
import { mergeGroups } from './merge-groups.ts';
import { priorOwner, priorsOf, requireKey, survivorChange } from './merge-sides.ts';
import { authorised, numbersOf, personNumbers, priorAccount, priorVisit } from './mrg.ts';
import { isPatientKey, patientIdentifiers, patientKeys, without } from './patient.ts';
import { marksOf, metaOf } from './security.ts';
import type { Conversion } from './structure.ts';

/** A45: the visit of PV1 (MRG-5) becomes one of the patient and the account of PID; MRG-1 names whose it was. */
export function adtA45(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, true)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const patient = survivorChange(conversion, group, [], marks);
    const account = accountChange(context, list, group.pid, patient, marks);
    for (const { mrg, pv1 } of priorsOf(group)) {
      const owner = priorOwner(conversion, mrg, identifiers, patient, marks);
      const visit = requiredVisit(conversion, pv1 ?? group.pv1, patient, 'A45', marks);
      const prior = mrg.field(5) === '' ? [] : [facilityKey(context, 'visit', priorVisit(context, mrg))];
      list.amend(visit, {
        keys: [...list.changes[visit].keys, ...prior],
        patient: patient.index,
        ...(owner.index !== patient.index && { movedFrom: owner.index }),
      });
      if (account !== undefined) list.setOn(visit, { account: [{ reference: changeReference(account) }] });
    }
  }
}

/** A44: the account of MRG-3 (PID-18) becomes one of the patient of PID; MRG-1 names whose it was. */
export function adtA44(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, false)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const patient = survivorChange(conversion, group, [], marks);
    for (const { mrg } of priorsOf(group)) {
      const owner = priorOwner(conversion, mrg, identifiers, patient, marks);
      if (owner.index === patient.index) throw missing('MRG-1', 'MRG-1 names no patient other than that of PID-3');
      const account = requiredAccount(conversion, group.pid, patient, marks);
      const prior = mrg.field(3) === '' ? accountOf(context, group.pid) : priorAccount(context, mrg);
      const known = prior === undefined ? [] : [accountKey(owner, prior)];
      list.amend(account, {
        keys: [...known, ...list.changes[account].keys],
        sole: true,
        patient: patient.index,
        movedFrom: owner.index,
      });
    }
  }
}

/**
 * A43: the number that PID-3 and MRG-1 have in common was one of the person of MRG-4 (or of MRG-1's other numbers) and is one of the person
 * of PID-2 (PID-3's others). Its Patient keeps its records: what changes is whose they are, by links.
 */
export function adtA43(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  const meta = metaOf(marks.all, marks.patient);
  for (const group of mergeGroups(conversion, false)) {
    const identifiers = patientIdentifiers(context, group.pid).filter(isPatientKey);
    for (const { mrg } of priorsOf(group)) {
      const before = numbersOf(context, mrg);
      const moved = identifiers.filter((one) => without([one], before).length === 0);
      if (moved.length === 0)
        throw missing('MRG-1', 'MRG-1 and PID-3 have no number in common: nothing says what is moved');
      const from = [...without(before, moved), ...without(personNumbers(context, mrg.field(4), 'MRG-4'), moved)];
      const to = [
        ...without(identifiers, moved),
        ...without(personNumbers(context, group.pid.field(2), 'PID-2'), moved),
      ];
      if (from.length === 0) throw missing('MRG-4', 'nothing says which person the number is moved from');
      if (to.length === 0) throw missing('PID-2', 'nothing says which person the number is moved to');
      authorised(context, from, moved, 'MRG-4');
      authorised(context, to, moved, 'PID-2');
      const [wrong, right] = [from, to].map((numbers) =>
        list.add({
          type: 'Patient',
          keys: patientKeys(context, numbers),
          set: { resourceType: 'Patient', ...(meta && { meta }) },
          append: { identifier: numbers.map(({ identifier }) => identifier) },
        }),
      );
      const patient = survivorChange(conversion, group, [...from, ...to], marks);
      const again = list.add({ type: 'Patient', keys: patient.keys, set: { resourceType: 'Patient' } });
      list.amend(patient.index, { relation: { kind: 'seealso', other: right }, apart: [wrong, right] });
      list.amend(again, { relation: { kind: 'none', other: wrong } });
    }
  }
}

function missing(expression: string, text: string): GatewayError {
  return new GatewayError('required-missing', text, { expression });
}
