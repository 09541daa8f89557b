/**
 * Patients that are one person: merges (A18, A30, A34, A39, A40), links (A24) and their undoing (A37).
 * Nothing is rewritten: both stay Patients, and `relation` says how they stand to each other.
 */
import { GatewayError } from '../../core/errors.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { present, type Context } from './context.ts';
import { xpnName } from './datatypes/human-name.ts';
import type { Identified } from './datatypes/identifier.ts';
import { mergeGroups, type MergeGroup } from './merge-groups.ts';
import { authorised, priorPatient } from './mrg.ts';
import {
  isPatientKey,
  patientChange,
  patientIdentifiers,
  patientKeys,
  without,
  type PatientResult,
} from './patient.ts';
import { marksOf, metaOf, type Marks } from './security.ts';
import { identifierKey } from './source-profile.ts';
import type { Conversion, Structure } from './structure.ts';

/** Each PID is the survivor, its MRG who is merged into it. */
export function adtMerge(): Structure {
  return (conversion) => {
    const { context } = conversion;
    const marks = marksOf(context, context.message.segments);
    for (const group of mergeGroups(conversion, false)) {
      const surviving = patientIdentifiers(context, group.pid);
      requireKey(surviving);
      for (const { mrg } of priorsOf(group)) {
        const prior = priorPatient(context, mrg, surviving);
        const survivor = survivorChange(conversion, group, prior, marks);
        const merged = priorChanges(conversion, mrg, prior, marks);
        for (const index of merged.indexes) relate(conversion, index, 'replaced-by', survivor.index);
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
    const a = survivorChange(conversion, first, two, marks);
    const b = survivorChange(conversion, second, one, marks);
    relate(conversion, b.index, kind, a.index);
  };
}

/** Throws `required-missing`: nobody is merged into a patient that only this message knows. */
export function requireKey(identifiers: readonly Identified[]): void {
  if (!identifiers.some(isPatientKey))
    throw new GatewayError('required-missing', 'PID-3 names no number of the patient', { expression: 'PID-3' });
}

/** The MRG segments of a group. Throws `required-missing`. */
export function priorsOf(group: MergeGroup): MergeGroup['priors'] {
  if (group.priors.length === 0)
    throw new GatewayError('required-missing', 'the message has no MRG segment', { expression: 'MRG' });
  return group.priors;
}

/** The Change of PID, which is not known by the numbers of the other patient. */
export function survivorChange(
  { context, list }: Conversion,
  { pid, pd1 }: Pick<MergeGroup, 'pid' | 'pd1'>,
  notOf: readonly Identified[],
  marks: Marks,
): PatientResult {
  return patientChange(context, list, { pid, pd1, nk1: [], notOf }, marks, true);
}

/** One Change for each number of the prior patient: they may be known as several. */
export function priorChanges(
  { context, list }: Conversion,
  mrg: Segment,
  prior: readonly Identified[],
  marks: Marks,
): { readonly indexes: readonly number[]; readonly patient: PatientResult } {
  const name = priorName(context, mrg);
  const meta = metaOf(marks.all, marks.patient);
  const keys = patientKeys(context, prior);
  const indexes = prior.map((one) =>
    list.add({
      type: 'Patient',
      keys: [
        identifierKey(one.system, one.value),
        ...without(prior, [one]).map((x) => identifierKey(x.system, x.value)),
      ],
      set: { resourceType: 'Patient', ...(meta && { meta }) },
      append: { identifier: [one.identifier] },
      initial: name.length === 0 ? {} : { name },
    }),
  );
  return { indexes, patient: { index: indexes[0], keys } };
}

/** MRG-7. */
function priorName(context: Context, mrg: Segment): readonly object[] {
  return present(repetitions(mrg.field(7), context.by).map((raw) => xpnName(context, raw, 'MRG-7')));
}

function relate({ list }: Conversion, index: number, kind: 'replaced-by' | 'seealso' | 'none', other: number): void {
  list.amend(index, { relation: { kind, other } });
}
