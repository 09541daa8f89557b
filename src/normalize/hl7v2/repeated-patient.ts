/** What SIU, MDM, BAR, DFT, REF and PPR begin with: one patient and their visit, repeated, and frames for what follows. */
import { accountChange } from './account.ts';
import { claimSegments, type ClaimRule, type Claims } from './claim.ts';
import type { ClinicalFrame } from './clinical.ts';
import { groupSegments, type PatientGroup } from './group.ts';
import { patientContext } from './patient-context.ts';
import { severalPatients } from './several-patients.ts';
import type { OrderFrame } from './service-request.ts';
import { restOf, type Conversion } from './structure.ts';

export interface RepeatedPatient {
  readonly group: PatientGroup;
  readonly claims: Claims;
  readonly orders: OrderFrame;
  readonly frame: ClinicalFrame;
}

/**
 * Adds the Changes of patient, visit and account. `rules`: the segments that the structure reads itself. Throws
 * `required-missing` without PID, `invalid-content` for a second one.
 */
export function repeatedPatient(
  conversion: Conversion,
  rules: Readonly<Record<string, ClaimRule>>,
  options: { readonly event?: 'context' | 'planned'; readonly accountStatus?: string } = {},
): RepeatedPatient {
  const claims = claimSegments(conversion, rules);
  const [group, another] = groupSegments(restOf(conversion, claims.rest));
  if (another !== undefined) throw severalPatients();
  const orders = patientContext(conversion, group, options.event);
  const { context, list, sourceTime } = conversion;
  const { patient, encounter, marks } = orders;
  const account = accountChange(context, list, group.pid, patient, marks, options.accountStatus);
  return {
    group,
    claims,
    orders,
    frame: { context, list, patient, encounter, account, marks, states: false, sourceTime },
  };
}
