/** PID-18 to Account (map PID[Account]): what coverage, guarantors and charges hang on. */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import type { Context } from './context.ts';
import { cxIdentifier, type Identified } from './datatypes/identifier.ts';
import type { PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';

/** Position of the Account; undefined without PID-18. `status`: what the event states, else an account begins active. */
export function accountChange(
  context: Context,
  list: ChangeList,
  pid: Segment,
  patient: PatientResult,
  marks: Marks,
  status?: string,
): number | undefined {
  const found = accountOf(context, pid);
  if (found === undefined) return undefined;
  const meta = metaOf(marks.all, marks.patient);
  return list.add({
    type: 'Account',
    keys: [accountKey(patient, found)],
    patient: patient.index,
    set: {
      resourceType: 'Account',
      ...(meta && { meta }),
      ...(status !== undefined && { status }),
      subject: [{ reference: changeReference(patient.index) }],
    },
    append: { identifier: [found.identifier] },
    initial: { status: 'active' },
  });
}

/** The number in PID-18. */
export function accountOf(context: Context, pid: Segment): Identified | undefined {
  return cxIdentifier(context, pid.field(18), 'AN', 'PID-18');
}

/** Families share account numbers: an account is one of the patient. */
export function accountKey(patient: PatientResult, { system, value }: Identified): BusinessKey {
  return ['account', ...patient.keys[0], system, value];
}
