/** The two sides of an event with PID and MRG: the patient of PID, and the patient, or the owner, that MRG names. */
import { GatewayError } from '../../core/errors.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { present, type Context } from './context.ts';
import type { Identified } from './datatypes/identifier.ts';
import { xpnName } from './datatypes/human-name.ts';
import type { MergeGroup } from './merge-groups.ts';
import { numbersOf } from './mrg.ts';
import { isPatientKey, patientChange, patientKeys, without, type PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';
import { identifierKey } from './source-profile.ts';
import type { Conversion } from './structure.ts';

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

/** Whose an account or visit was: the patient of MRG-1, where it names numbers that are not those of PID-3; else the same patient. */
export function priorOwner(
  conversion: Conversion,
  mrg: Segment,
  identifiers: readonly Identified[],
  patient: PatientResult,
  marks: Marks,
): PatientResult {
  const others = without(numbersOf(conversion.context, mrg), identifiers);
  if (others.length === 0) return patient;
  const keys = patientKeys(conversion.context, others);
  const { index } = priorChanges(conversion, mrg, others.slice(0, 1), marks).patient;
  conversion.list.amend(index, { keys });
  return { index, keys };
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
