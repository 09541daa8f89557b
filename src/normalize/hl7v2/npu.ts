/** ADT_A20, the state of beds: NPU to Location.operationalStatus. No patient in it. The guide has no map for it: ours. */
import { GatewayError } from '../../core/errors.ts';
import { parseChangeReference } from '../../formats/fhir/change.ts';
import { claimedOf, claimSegments } from './claim.ts';
import { firstOf } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';
import { locationOf } from './location.ts';
import { countUnmapped, type Conversion } from './structure.ts';

const READ_ELSEWHERE = new Set(['MSH', 'EVN', 'SFT']);

/** Throws `required-missing` without NPU or the bed that it is about. */
export function adtA20(conversion: Conversion): void {
  const { context, list, unmapped } = conversion;
  const claims = claimSegments(conversion, { NPU: {} });
  const beds = claimedOf(claims, 'NPU');
  if (beds.length === 0)
    throw new GatewayError('required-missing', 'the message has no NPU segment', { expression: 'NPU' });
  for (const { segment: npu, number } of beds) {
    const bed = locationOf(context, list, npu.field(1));
    const index = typeof bed?.reference === 'string' ? parseChangeReference(bed.reference) : undefined;
    if (index === undefined)
      throw new GatewayError('required-missing', 'NPU-1, the bed, is required', { expression: `NPU[${number}]-1` });
    const code = firstOf(context, npu.field(2));
    if (code !== undefined) list.setOn(index, { operationalStatus: { system: `${V2_TABLE}0116`, code } });
  }
  for (const { id } of claims.rest) if (!READ_ELSEWHERE.has(id)) countUnmapped(unmapped, id);
}
