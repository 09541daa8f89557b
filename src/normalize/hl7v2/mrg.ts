/**
 * MRG: the numbers that a merge, move or change takes away from, and whether the source may say so. Never on a bare number, and
 * across assigners only where the source's profile names both (DESIGN section 6).
 */
import { GatewayError } from '../../core/errors.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { present, type Context } from './context.ts';
import { cxIdentifier, type Identified } from './datatypes/identifier.ts';
import { isPatientKey, without } from './patient.ts';
import { mayWriteFor } from './source-profile.ts';

/**
 * Numbers of the prior patient: MRG-1, else MRG-4. PID-3 may repeat them, as numbers that the survivor has taken over; `surviving` are its
 * identifiers. Throws `required-missing` without any, `business-rule` where the source may not merge them.
 */
export function priorPatient(context: Context, mrg: Segment, surviving: readonly Identified[]): readonly Identified[] {
  for (const raw of [mrg.field(1), mrg.field(4)]) {
    const named = identifiersOf(context, raw, 'MR', 'MRG-1').filter(isPatientKey);
    const left = without(surviving, named);
    const prior = left.some(isPatientKey) ? named : without(named, surviving);
    if (prior.length > 0) return authorised(context, prior, left.length > 0 ? left : surviving, 'MRG-1');
  }
  throw missing('MRG-1', 'MRG-1 names no number of a patient other than the one in PID-3');
}

/** Numbers of MRG-1 that say who the patient is. */
export function numbersOf(context: Context, mrg: Segment): readonly Identified[] {
  return identifiersOf(context, mrg.field(1), 'MR', 'MRG-1').filter(isPatientKey);
}

/** Numbers of a person in the fields of older versions (PID-2, MRG-4). */
export function personNumbers(context: Context, raw: string, location: string): readonly Identified[] {
  return identifiersOf(context, raw, 'MR', location).filter(isPatientKey);
}

/** Prior alternate numbers (MRG-2). Throws `required-missing`. */
export function alternateNumbers(context: Context, mrg: Segment): readonly Identified[] {
  const found = identifiersOf(context, mrg.field(2), 'ALT', 'MRG-2');
  if (found.length === 0) throw missing('MRG-2', 'MRG-2, the prior alternate number, is required for this event');
  return found;
}

/** Prior account (MRG-3). Throws `required-missing`. */
export function priorAccount(context: Context, mrg: Segment): Identified {
  const [first] = identifiersOf(context, mrg.field(3), 'AN', 'MRG-3');
  if (first === undefined) throw missing('MRG-3', 'MRG-3, the prior account number, is required for this event');
  return first;
}

/** Prior visit (MRG-5), or alternate visit (MRG-6). Throws `required-missing`. */
export function priorVisit(context: Context, mrg: Segment, field: 5 | 6 = 5): Identified {
  const [first] = identifiersOf(context, mrg.field(field), 'VN', `MRG-${field}`);
  if (first === undefined)
    throw missing(`MRG-${field}`, `MRG-${field}, the prior visit number, is required for this event`);
  return first;
}

function identifiersOf(context: Context, raw: string, type: string, location: string): Identified[] {
  return present(repetitions(raw, context.by).map((repetition) => cxIdentifier(context, repetition, type, location)));
}

function missing(expression: string, text: string): GatewayError {
  return new GatewayError('required-missing', text, { expression });
}

/**
 * The numbers of one patient that the source may say to be another's: those of an assigner of the other's numbers that it writes for;
 * those of other assigners where its profile names them and one of the other's. Throws `business-rule` when none is left.
 */
export function authorised(
  context: Context,
  numbers: readonly Identified[],
  others: readonly Identified[],
  location: string,
): readonly Identified[] {
  const keys = others.filter(isPatientKey);
  if (numbers.every((one) => isBare(context, one)) && !keys.some((one) => isBare(context, one))) {
    throw new GatewayError(
      'business-rule',
      'patients are not joined by a number without its assigner: send CX-4, or give the source an assigner for bare numbers everywhere',
      { expression: location },
    );
  }
  const systems = new Set(keys.map(({ system }) => system));
  const allowed = numbers.filter(({ system }) =>
    systems.has(system)
      ? mayWriteFor(context.profile, system)
      : isNamed(context, system) && keys.some((one) => isNamed(context, one.system)),
  );
  if (allowed.length === 0) {
    throw new GatewayError(
      'business-rule',
      'the source may not join patients of these assigners: name them in its profile if it may',
      { expression: location },
    );
  }
  if (allowed.length < numbers.length) context.omissions.push({ location, reason: 'not-authorised' });
  return allowed;
}

/** True for a number that says nothing of who gave it. */
function isBare({ profile }: Context, { identifier, system }: Identified): boolean {
  return identifier.assigner === undefined && system.startsWith(profile.assigner);
}

/** True when the profile names the assigner as one that the source writes for, or when it is one of the source's own. */
function isNamed({ profile }: Context, system: string): boolean {
  if (profile.assigners !== undefined) return profile.assigners.has(system);
  return system.startsWith(profile.assigner) || Object.values(profile.namespaces).includes(system);
}
