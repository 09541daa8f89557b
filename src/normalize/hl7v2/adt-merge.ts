/**
 * Patients that are one person: merges (A18, A30, A34, A39, A40; with their accounts A36), links (A24) and their undoing (A37).
 * Nothing is rewritten: both stay Patients, and `relation` says how they stand to each other.
 */
import { GatewayError } from '../../core/errors.ts';
import { mergeAccounts } from './adt-account.ts';
import { mergeGroups } from './merge-groups.ts';
import { priorChanges, priorsOf, requireKey, survivorChange } from './merge-sides.ts';
import { authorised, numbersOf, priorAccount, priorPatient } from './mrg.ts';
import { isPatientKey, patientIdentifiers, without } from './patient.ts';
import { marksOf } from './security.ts';
import type { Conversion, Structure } from './structure.ts';

/** Each PID is the survivor, its MRG who is merged into it. `accounts`: MRG-3 is merged into PID-18 as well (A36). */
export function adtMerge(options: { readonly accounts?: boolean } = {}): Structure {
  return (conversion) => {
    const { context } = conversion;
    const marks = marksOf(context, context.message.segments);
    for (const group of mergeGroups(conversion, false)) {
      const surviving = patientIdentifiers(context, group.pid);
      requireKey(surviving);
      for (const { mrg } of priorsOf(group)) {
        const prior = priorPatient(context, mrg, surviving);
        // What MRG-1 names is no number of the survivor, even where the source may not merge by it.
        const named = numbersOf(context, mrg);
        const isOwn = without(surviving, named).some(isPatientKey);
        const survivor = survivorChange(conversion, group, isOwn ? [...named, ...prior] : prior, marks);
        const merged = priorChanges(conversion, mrg, prior, marks);
        for (const index of merged.indexes) relate(conversion, index, 'replaced-by', survivor.index);
        if (options.accounts !== true || mrg.field(3) === '') continue;
        mergeAccounts(conversion, group.pid, survivor, priorAccount(context, mrg), merged.patient, marks);
      }
    }
  };
}

/** Two PIDs: the same person (A24 `seealso`), or not (A37 `none`). */
export function adtLink(kind: 'seealso' | 'none'): Structure {
  return (conversion) => {
    const { context } = conversion;
    const marks = marksOf(context, context.message.segments);
    const [first, second, third] = mergeGroups(conversion, false);
    if (second === undefined || third !== undefined)
      throw new GatewayError('required-missing', 'a link is between two patients: two PID segments', {
        expression: 'PID[2]',
      });
    const [one, two] = [first, second].map(({ pid }) => patientIdentifiers(context, pid));
    requireKey(one);
    const others = without(two, one).filter(isPatientKey);
    if (others.length === 0)
      throw new GatewayError('required-missing', 'PID-3 of the second patient names no number of its own', {
        expression: 'PID[2]-3',
      });
    authorised(context, others, one, 'PID[2]-3');
    // A number that both list is the first one's.
    const a = survivorChange(conversion, first, others, marks);
    const b = survivorChange(conversion, second, one, marks);
    relate(conversion, b.index, kind, a.index);
  };
}

function relate({ list }: Conversion, index: number, kind: 'replaced-by' | 'seealso' | 'none', other: number): void {
  list.amend(index, { relation: { kind, other } });
}
