/** What messages of orders begin with: patients and their visits, repeated, with allergies and coverage; and the diagnoses of each order. */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { accountChange } from './account.ts';
import { claimedOf, claimSegments, type Claimed, type ClaimRule, type Claims } from './claim.ts';
import type { ClinicalFrame } from './clinical.ts';
import { diagnosisChanges } from './diagnosis.ts';
import { chargeChange } from './ft1.ts';
import { groupSegments, type OrderStart, type PatientGroup } from './group.ts';
import type { OrderGroup } from './order-group.ts';
import { patientContext } from './patient-context.ts';
import { patientSegments } from './patient-segments.ts';
import type { OrderFrame } from './service-request.ts';
import { countUnmapped, restOf, type Conversion } from './structure.ts';
import { visitObservations } from './visit-observations.ts';

const RULES: Readonly<Record<string, ClaimRule>> = codeTable({
  AL1: {},
  DG1: { notes: true },
  IN1: { below: ['IN2', 'IN3'] },
  GT1: {},
  FT1: { notes: true },
});

/** The orders of one patient. */
export interface PatientOrders {
  readonly group: PatientGroup;
  readonly frame: OrderFrame;
  readonly clinical: ClinicalFrame;
  /** DG1 of each order. */
  readonly diagnoses: ReadonlyMap<OrderGroup, readonly Claimed[]>;
  /** True behind a second PID: it repeats the patient for earlier results. */
  readonly prior: boolean;
}

/** Adds the Changes of patients, visits and what stands beside them. Throws `required-missing` without PID. */
export function orderMessage(conversion: Conversion, start: OrderStart = 'ORC'): PatientOrders[] {
  const claims = claimSegments(conversion, RULES);
  const groups = groupSegments(restOf(conversion, claims.rest), start);
  const diagnoses = diagnosesByOrder(conversion, groups, claimedOf(claims, 'DG1'));
  return groups.map((group, i) => {
    const frame = patientContext(conversion, group);
    const clinical = clinicalFrame(conversion, group, frame);
    if (i === 0) patientSegments(clinical, group, ofPatient(claims), conversion.unmapped);
    if (i === 0)
      for (const charge of claimedOf(claims, 'FT1'))
        if (!chargeChange(clinical, charge, [])) countUnmapped(conversion.unmapped, 'FT1');
    visitObservations(conversion.context, conversion.list, group.observations, {
      ...frame,
      index: frame.patient.index,
    });
    return { group, frame, clinical, diagnoses, prior: i > 0 };
  });
}

/** Adds the Conditions of an order; references to them. */
export function orderReasons({ clinical, diagnoses }: PatientOrders, order: OrderGroup): { reference: string }[] {
  const claimed = diagnoses.get(order) ?? [];
  return claimed.length === 0
    ? []
    : diagnosisChanges(clinical, claimed).map((index) => ({ reference: changeReference(index) }));
}

function clinicalFrame(conversion: Conversion, group: PatientGroup, frame: OrderFrame): ClinicalFrame {
  const { context, list, sourceTime } = conversion;
  const { patient, encounter, marks } = frame;
  const account = accountChange(context, list, group.pid, patient, marks);
  return { context, list, patient, encounter, account, marks, states: false, sourceTime };
}

/** Without what belongs to the orders. */
function ofPatient(claims: Claims): Claims {
  return { ...claims, all: claims.all.filter(({ segment }) => segment.id !== 'DG1' && segment.id !== 'FT1') };
}

/** A DG1 belongs to the order before it. */
function diagnosesByOrder(
  { context }: Conversion,
  groups: readonly PatientGroup[],
  claimed: readonly Claimed[],
): ReadonlyMap<OrderGroup, readonly Claimed[]> {
  const found = new Map<OrderGroup, Claimed[]>();
  if (claimed.length === 0) return found;
  const all = groups.flatMap(({ orders }) => orders);
  let order: OrderGroup | undefined;
  for (const segment of context.message.segments) {
    order = all.find(({ orc, obr }) => (segment.id === 'OBR' ? obr : orc) === segment) ?? order;
    const dg1 = segment.id === 'DG1' ? claimed.find((each) => each.segment === segment) : undefined;
    if (dg1 !== undefined && order !== undefined) found.set(order, [...(found.get(order) ?? []), dg1]);
  }
  return found;
}
