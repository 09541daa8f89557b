/** The segments of one order, and of one specimen, as `group.ts` finds them and the mappers read them. */
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ObservationGroup } from './observation.ts';

/** SPM with the notes and containers behind it. */
export interface SpecimenGroup {
  readonly spm: Segment;
  readonly notes: readonly Segment[];
  /** SAC. */
  readonly containers?: readonly Segment[];
  /** Number of the SPM in the message, from 1. */
  readonly number: number;
}

/** ORC and OBR with what belongs to them; either may be missing. */
export interface OrderGroup {
  readonly orc: Segment | undefined;
  readonly obr: Segment | undefined;
  /** NTE behind ORC or OBR. */
  readonly notes: readonly Segment[];
  /** TQ1, RXO, RXR, RXC, RXE, RXD, RXG, RXA, ODS, RQD, IPC as they come. */
  readonly details: readonly Segment[];
  /** NTE behind RXD, RXG or RXA, by their segment; those behind others are of the order. */
  readonly detailNotes?: ReadonlyMap<Segment, readonly Segment[]>;
  /** PRT and ROL behind ORC or OBR. */
  readonly roles?: readonly Segment[];
  readonly specimens: readonly SpecimenGroup[];
  readonly observations: readonly ObservationGroup[];
  /** Number of the OBR in the message, from 1; 0 without OBR. */
  readonly number: number;
  /** True for earlier results that an order is sent with. */
  readonly prior: boolean;
}

/** An order that has its OBR. */
export type ServiceOrder = OrderGroup & { readonly obr: Segment };

/** True for an order that has its OBR. */
export function isServiceOrder(order: OrderGroup): order is ServiceOrder {
  return order.obr !== undefined;
}
