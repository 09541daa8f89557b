/**
 * The segments that stand beside PID and PV1 in ADT, BAR, DFT, REF and SIU alike: allergies, diagnoses, procedures, coverage,
 * guarantors, next of kin, teams. Read once, the same way for all.
 */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { allergyChange } from './allergy.ts';
import { careTeamChange, caseManagers } from './care-team.ts';
import { financialClassChanges, financialClasses } from './financial-class.ts';
import { claimedOf, type ClaimRule, type Claims } from './claim.ts';
import type { ClinicalFrame } from './clinical.ts';
import { coverageChange } from './coverage.ts';
import { diagnosisChanges } from './diagnosis.ts';
import { disabilityChange } from './disability.ts';
import type { PatientGroup } from './group.ts';
import { guarantorChange } from './guarantor.ts';
import { livingWillChange } from './living-will.ts';
import { procedureChange } from './procedure.ts';
import { motherChange, nextOfKinChange } from './related-person.ts';
import { rolesOf } from './role.ts';
import { countUnmapped } from './structure.ts';

/** The segments read here, with what hangs on them. */
export const PATIENT_SEGMENTS: Readonly<Record<string, ClaimRule>> = codeTable({
  AL1: {},
  IAM: { notes: true, below: ['IAR'] },
  DG1: { notes: true },
  PR1: { notes: true, roles: true },
  IN1: { below: ['IN2', 'IN3'] },
  GT1: {},
  DB1: {},
});

export interface PatientSegments {
  readonly conditions: readonly number[];
  readonly procedures: readonly number[];
  readonly coverages: readonly number[];
}

/** Adds their Changes. `unmapped` counts what nothing was made of. */
export function patientSegments(
  frame: ClinicalFrame,
  group: Pick<PatientGroup, 'pid' | 'pd1' | 'nk1' | 'pv1'>,
  claims: Claims,
  unmapped: Map<string, number>,
): PatientSegments {
  motherChange(frame, group.pid);
  livingWillChange(frame, group.pd1);
  group.nk1.forEach((nk1, i) => nextOfKinChange(frame, nk1, i + 1));
  const insurances = claimedOf(claims, 'IN1');
  careTeamChange(frame, [
    ...rolesOf(frame.context, frame.list, claims.rolesOfPatient).filter(({ code }) => code !== 'PP'),
    ...caseManagers(
      frame,
      insurances.flatMap(({ below }) => below.filter(({ id }) => id === 'IN3')),
    ),
  ]);
  for (const each of [...claimedOf(claims, 'AL1'), ...claimedOf(claims, 'IAM')])
    if (allergyChange(frame, each) === undefined) countUnmapped(unmapped, each.segment.id);
  const conditions = diagnosisChanges(frame, claimedOf(claims, 'DG1'));
  const procedures = claimedOf(claims, 'PR1').flatMap((each) => procedureChange(frame, each) ?? []);
  // The financial class is that of the insurance that pays first; without one it is all that is known of it.
  const [financial] = financialClasses(frame.context, group.pv1);
  const coverages = insurances.flatMap(
    (each, i) => coverageChange(frame, each, i === 0 ? financial?.concept : undefined) ?? [],
  );
  if (coverages.length === 0 && frame.states) financialClassChanges(frame, group.pv1);
  if (frame.account !== undefined)
    frame.list.appendTo(
      frame.account,
      'coverage',
      coverages.map((index) => ({ coverage: { reference: changeReference(index) } })),
    );
  for (const each of claimedOf(claims, 'GT1')) if (!guarantorChange(frame, each)) countUnmapped(unmapped, 'GT1');
  for (const each of claimedOf(claims, 'DB1')) if (!disabilityChange(frame, each)) countUnmapped(unmapped, 'DB1');
  return { conditions, procedures, coverages };
}
