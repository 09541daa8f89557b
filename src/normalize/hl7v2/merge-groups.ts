/** Segments of merges, links, moves and changes of numbers to their groups: each PID with its MRG, and PV1 of visits. */
import { GatewayError } from '../../core/errors.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { countUnmapped, type Conversion } from './structure.ts';

export interface MergeGroup {
  readonly pid: Segment;
  pd1: Segment | undefined;
  /** With the PV1 that follows it (A45 has several). */
  readonly priors: { readonly mrg: Segment; pv1: Segment | undefined }[];
  /** The first PV1 of the group. */
  pv1: Segment | undefined;
}

/** Read by the header or by `marksOf`, or without content of its own. */
const READ_ELSEWHERE = new Set(['MSH', 'EVN', 'ARV', 'CON', 'SFT', 'UAC', 'DSC']);

/** At least one group. Throws `required-missing` without PID. `visits`: PV1 is read; else it is counted as unmapped. */
export function mergeGroups({ context, unmapped }: Conversion, visits: boolean): readonly MergeGroup[] {
  const groups: MergeGroup[] = [];
  for (const segment of context.message.segments) {
    const group = groups.at(-1);
    if (READ_ELSEWHERE.has(segment.id) || segment.text.trim() === '') continue;
    if (segment.id === 'PID') groups.push({ pid: segment, pd1: undefined, priors: [], pv1: undefined });
    else if (group !== undefined && segment.id === 'PD1' && group.pd1 === undefined) group.pd1 = segment;
    else if (group !== undefined && segment.id === 'MRG') group.priors.push({ mrg: segment, pv1: undefined });
    else if (group !== undefined && segment.id === 'PV1' && visits) {
      const prior = group.priors.at(-1);
      if (prior !== undefined) prior.pv1 ??= segment;
      group.pv1 ??= segment;
    } else countUnmapped(unmapped, segment.id);
  }
  if (groups.length === 0)
    throw new GatewayError('required-missing', 'the message has no PID segment', { expression: 'PID' });
  return groups;
}
