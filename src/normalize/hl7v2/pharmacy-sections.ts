/** The details of a pharmacy order by the segment that leads them: TQ1, RXR and RXC behind RXO, RXE, RXD, RXG or RXA. */
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { OrderGroup } from './order-group.ts';

/** RXO, RXE, RXD, RXG or RXA with what stands behind it; without a head what stands behind ORC. */
export interface PharmacySection {
  readonly head: Segment | undefined;
  readonly tq1: Segment[];
  readonly rxr: Segment[];
  readonly rxc: Segment[];
  /** NTE behind RXD, RXG or RXA. */
  readonly notes: readonly Segment[];
}

const HEADS = new Set(['RXO', 'RXE', 'RXD', 'RXG', 'RXA']);

function section(head: Segment | undefined, notes: readonly Segment[] = []): PharmacySection {
  return { head, tq1: [], rxr: [], rxc: [], notes };
}

/** Sections in their order, the one behind ORC first. */
export function pharmacySections(order: OrderGroup): readonly PharmacySection[] {
  const sections = [section(undefined)];
  for (const segment of order.details) {
    if (HEADS.has(segment.id)) {
      sections.push(section(segment, order.detailNotes?.get(segment)));
      continue;
    }
    const last = sections[sections.length - 1];
    if (segment.id === 'TQ1') last.tq1.push(segment);
    else if (segment.id === 'RXR') last.rxr.push(segment);
    else if (segment.id === 'RXC') last.rxc.push(segment);
  }
  return sections;
}

/**
 * One order for each RXE (or RXO) below its ORC, each with what stands behind it and with what leads them all. The standard has one;
 * senders of protocols have several, and none of them may be lost.
 */
export function productOrders(order: OrderGroup): readonly OrderGroup[] {
  const id = order.details.some((segment) => segment.id === 'RXE') ? 'RXE' : 'RXO';
  const starts = order.details.flatMap((segment, i) => (segment.id === id ? [i] : []));
  if (starts.length < 2) return [order];
  const lead = order.details.slice(0, starts[0]);
  return starts.map((from, i) => ({ ...order, details: [...lead, ...order.details.slice(from, starts[i + 1])] }));
}

/** The first section that a segment of this kind leads. */
export function sectionOf(sections: readonly PharmacySection[], id: string): PharmacySection | undefined {
  return sections.find(({ head }) => head?.id === id);
}
