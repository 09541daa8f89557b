/** ADT_A20, the state of beds: NPU to Location.operationalStatus. No patient in it. The guide has no map for it: ours. */
import { GatewayError } from '../../core/errors.ts';
import { claimedOf, claimSegments } from './claim.ts';
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
    const bed = locationOf(context, list, npu.field(1), npu.field(2));
    if (bed?.reference === undefined)
      throw new GatewayError('required-missing', 'NPU-1, the bed, is required', { expression: `NPU[${number}]-1` });
  }
  for (const { id } of claims.rest) if (!READ_ELSEWHERE.has(id)) countUnmapped(unmapped, id);
}
