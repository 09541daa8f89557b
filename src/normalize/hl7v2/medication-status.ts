/** Tables 0038 and 0119 to MedicationRequest.status. Ours: the guide maps them to ServiceRequest only. */
import { codeTable } from '../../core/code-table.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { firstOf, type Context } from './context.ts';

const BY_STATUS: Readonly<Record<string, string>> = codeTable({
  A: 'active',
  CA: 'cancelled',
  CM: 'completed',
  DC: 'stopped',
  ER: 'entered-in-error',
  HD: 'on-hold',
  IP: 'active',
  RP: 'stopped',
  SC: 'active',
});

const BY_CONTROL: Readonly<Record<string, string>> = codeTable({
  AF: 'active',
  CA: 'active',
  CR: 'cancelled',
  DC: 'stopped',
  DF: 'stopped',
  DR: 'stopped',
  FU: 'active',
  HD: 'active',
  HR: 'on-hold',
  NW: 'active',
  OC: 'cancelled',
  OD: 'stopped',
  OH: 'on-hold',
  OK: 'active',
  PY: 'active',
  RL: 'active',
  RO: 'active',
  RQ: 'active',
});

/** Statuses in the order in which they follow each other; what is behind a status is not undone by it. */
export const MEDICATION_COURSE: readonly string[] = ['completed', 'stopped', 'cancelled', 'entered-in-error'];

/** ORC-5, else ORC-1; and how far that is, as `STATUS_RANK`. */
export function medicationStatus(
  context: Context,
  orc: Segment | undefined,
): { status: string | undefined; rank: number } {
  const status = BY_STATUS[firstOf(context, orc?.field(5)) ?? ''] ?? BY_CONTROL[firstOf(context, orc?.field(1)) ?? ''];
  const rank = status === 'on-hold' ? 1 : status === undefined ? 0 : MEDICATION_COURSE.indexOf(status) + 2;
  return { status, rank: status === 'active' ? 0 : rank };
}
