/** DFT_P03, DFT_P11 and BAR_P01, P02, P05, P06, P12: accounts, what is charged to them, and what it is charged for. */
import { codeTable } from '../../core/code-table.ts';
import { accountChange } from './account.ts';
import { claimSegments, claimedOf, type Claimed, type ClaimRule, type Claims } from './claim.ts';
import { chargeChange } from './ft1.ts';
import { groupSegments } from './group.ts';
import { patientContext } from './patient-context.ts';
import { patientResults } from './oru-r01.ts';
import { PATIENT_SEGMENTS, patientSegments } from './patient-segments.ts';
import { procedureChange } from './procedure.ts';
import { repeatedPatient } from './repeated-patient.ts';
import { countUnmapped, restOf, type Conversion, type Structure } from './structure.ts';

const RULES: Readonly<Record<string, ClaimRule>> = codeTable({ ...PATIENT_SEGMENTS, FT1: { notes: true } });

/** DFT_P03 and P11. Throws `required-missing` without PID. */
export function dftP03(conversion: Conversion): void {
  const repeated = repeatedPatient(conversion, RULES);
  const { claims } = repeated;
  const below = proceduresBelow(claims);
  const charged = new Set([...below.values()].flat());
  patientResults(conversion, repeated.group, repeated.orders);
  patientSegments(
    repeated.frame,
    repeated.group,
    { ...claims, all: claims.all.filter((claimed) => !charged.has(claimed)) },
    conversion.unmapped,
  );
  for (const charge of claimedOf(claims, 'FT1')) {
    const procedures = (below.get(charge) ?? []).flatMap((each) => procedureChange(repeated.frame, each) ?? []);
    if (!chargeChange(repeated.frame, charge, procedures)) countUnmapped(conversion.unmapped, 'FT1');
  }
}

/** BAR: `status` is what the event says of the account. Throws `required-missing` without PID. */
export function bar(status: 'active' | 'inactive' | undefined): Structure {
  return (conversion) => {
    const repeated = repeatedPatient(
      conversion,
      PATIENT_SEGMENTS,
      status === undefined ? {} : { accountStatus: status },
    );
    patientResults(conversion, repeated.group, repeated.orders);
    patientSegments(repeated.frame, repeated.group, repeated.claims, conversion.unmapped);
  };
}

/** BAR_P02, accounts that are purged: closed, each with its patient, and nothing of the record is deleted. */
export function barP02(conversion: Conversion): void {
  const { context, list } = conversion;
  const { rest } = claimSegments(conversion, { DB1: {} });
  for (const group of groupSegments(restOf(conversion, rest))) {
    const { patient, marks } = patientContext(conversion, group);
    accountChange(context, list, group.pid, patient, marks, 'inactive');
  }
}

/** PR1 behind an FT1 is what was charged. */
function proceduresBelow(claims: Claims): Map<Claimed, Claimed[]> {
  const below = new Map<Claimed, Claimed[]>();
  let charge: Claimed | undefined;
  for (const claimed of claims.all) {
    if (claimed.segment.id === 'FT1') charge = claimed;
    else if (claimed.segment.id === 'PR1' && charge !== undefined)
      below.set(charge, [...(below.get(charge) ?? []), claimed]);
  }
  return below;
}
