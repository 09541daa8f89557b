/**
 * A number that was wrong and is another from here on: of a patient (A46 to A48), an account (A49), a visit (A50, A51). The resource
 * stays, is known by both, and keeps the old one as `use: old`. Where the two are known as two resources already nothing is
 * guessed (`conflict`): a merge has to say that they are one.
 */
import { accountKey } from './account.ts';
import { requiredAccount } from './adt-account.ts';
import { priorsOf, requireKey, survivorChange } from './merge-sides.ts';
import { requiredVisit } from './adt-visit.ts';
import { facilityKey } from './facility-key.ts';
import { mergeGroups } from './merge-groups.ts';
import { alternateNumbers, priorAccount, priorPatient, priorVisit } from './mrg.ts';
import { patientIdentifiers, patientKeys, without } from './patient.ts';
import { marksOf } from './security.ts';
import type { Conversion, Structure } from './structure.ts';

/** A46, A47: MRG-1 (MRG-4) becomes PID-3. */
export function adtPatientNumber(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, false)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const prior = priorsOf(group).flatMap(({ mrg }) => priorPatient(context, mrg, identifiers));
    const patient = survivorChange(conversion, group, prior, marks);
    const keys = [...patient.keys, ...patientKeys(context, prior)];
    list.amend(patient.index, { keys, sole: true, retire: without(prior, identifiers), revive: true });
  }
}

/** A48: an alternate number, by which nobody is known: MRG-2 becomes PID-4. */
export function adtAlternateNumber(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, false)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const patient = survivorChange(conversion, group, [], marks);
    const prior = priorsOf(group).flatMap(({ mrg }) => alternateNumbers(context, mrg));
    list.amend(patient.index, { retire: without(prior, identifiers), revive: true });
  }
}

/** A49: MRG-3 becomes PID-18. */
export function adtAccountNumber(conversion: Conversion): void {
  const { context, list } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, false)) {
    requireKey(patientIdentifiers(context, group.pid));
    const patient = survivorChange(conversion, group, [], marks);
    const prior = priorsOf(group).map(({ mrg }) => priorAccount(context, mrg));
    const account = requiredAccount(conversion, group.pid, patient, marks);
    const keys = [...list.changes[account].keys, ...prior.map((one) => accountKey(patient, one))];
    list.amend(account, { keys, sole: true, retire: prior, revive: true });
  }
}

/** A50: MRG-5 becomes PV1-19. A51: MRG-6 becomes PV1-50. */
export function adtVisitNumber(event: 'A50' | 'A51'): Structure {
  return (conversion) => {
    const { context, list } = conversion;
    const marks = marksOf(context, context.message.segments);
    for (const group of mergeGroups(conversion, true)) {
      requireKey(patientIdentifiers(context, group.pid));
      const patient = survivorChange(conversion, group, [], marks);
      for (const { mrg, pv1 } of priorsOf(group)) {
        const prior = priorVisit(context, mrg, event === 'A50' ? 5 : 6);
        const visit = requiredVisit(conversion, pv1 ?? group.pv1, patient, event, marks);
        const keys = [...list.changes[visit].keys, facilityKey(context, 'visit', prior)];
        list.amend(visit, { keys, sole: true, retire: [prior], revive: true });
      }
    }
  };
}
