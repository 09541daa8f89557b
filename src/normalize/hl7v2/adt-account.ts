/**
 * Accounts that are one: A35, A41, and A36 beside its patients. R4 has no link between accounts: the surviving one also has the other's
 * number as an old one, the other becomes inactive. What hangs on it stays there.
 */
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { accountChange, accountKey } from './account.ts';
import { priorOwner, priorsOf, requireKey, survivorChange } from './merge-sides.ts';
import type { Identified } from './datatypes/identifier.ts';
import { mergeGroups } from './merge-groups.ts';
import { priorAccount } from './mrg.ts';
import { patientIdentifiers, type PatientResult } from './patient.ts';
import { marksOf, metaOf, type Marks } from './security.ts';
import type { Conversion } from './structure.ts';

/** A35, A41: PID-18 survives, MRG-3 is merged into it; MRG-1 names whose it was, where that is another patient. */
export function adtAccounts(conversion: Conversion): void {
  const { context } = conversion;
  const marks = marksOf(context, context.message.segments);
  for (const group of mergeGroups(conversion, false)) {
    const identifiers = patientIdentifiers(context, group.pid);
    requireKey(identifiers);
    const patient = survivorChange(conversion, group, [], marks);
    for (const { mrg } of priorsOf(group)) {
      const prior = priorAccount(context, mrg);
      mergeAccounts(
        conversion,
        group.pid,
        patient,
        prior,
        priorOwner(conversion, mrg, identifiers, patient, marks),
        marks,
      );
    }
  }
}

/** Adds the Changes of both accounts. Throws `required-missing` without PID-18. */
export function mergeAccounts(
  conversion: Conversion,
  pid: Segment,
  patient: PatientResult,
  prior: Identified,
  owner: PatientResult,
  marks: Marks,
): void {
  const { list } = conversion;
  const account = requiredAccount(conversion, pid, patient, marks);
  list.appendTo(account, 'identifier', [{ ...prior.identifier, use: 'old' }]);
  const meta = metaOf(marks.all, marks.patient);
  list.add({
    type: 'Account',
    keys: [accountKey(owner, prior)],
    patient: owner.index,
    unless: account,
    set: {
      resourceType: 'Account',
      ...(meta && { meta }),
      status: 'inactive',
      subject: [{ reference: changeReference(owner.index) }],
    },
    append: { identifier: [prior.identifier] },
  });
}

/** The account of PID-18. Throws `required-missing`. */
export function requiredAccount(
  { context, list }: Conversion,
  pid: Segment,
  patient: PatientResult,
  marks: Marks,
): number {
  const account = accountChange(context, list, pid, patient, marks);
  if (account === undefined)
    throw new GatewayError('required-missing', 'PID-18, the account number, is required for this event', {
      expression: 'PID-18',
    });
  return account;
}
