/** RXR and TQ1 to Dosage (maps RXR[MedicationRequest], TQ1[MedicationRequest]). */
import type { Segment } from '../../formats/hl7v2/message.ts';
import { compact, present, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import type { OrderGroup } from './order-group.ts';
import { timingOf, tq1Timing, type OrderTiming } from './timing.ts';

const DOSE_TYPE = 'http://terminology.hl7.org/CodeSystem/dose-rate-type';

/** What is given and how. */
export interface DosageParts {
  readonly text?: string | undefined;
  readonly timing: OrderTiming | undefined;
  readonly rxr: Segment | undefined;
  /** doseQuantity or doseRange, rateQuantity: members of doseAndRate. */
  readonly dose?: Element;
  readonly maxDosePerPeriod?: Element | undefined;
}

/** Route, site and method of an RXR. */
export function routeOf(context: Context, rxr: Segment | undefined): Element {
  return {
    route: conceptOf(context, rxr?.field(1), `${V2_TABLE}0162`),
    site: conceptOf(context, rxr?.field(2), `${V2_TABLE}0163`),
    method: conceptOf(context, rxr?.field(4), `${V2_TABLE}0165`),
  };
}

/** A dosage, or undefined where nothing is said of it. */
export function dosageOf(context: Context, parts: DosageParts): Element | undefined {
  const { timing, rxr, text } = parts;
  const stated = compact(parts.dose ?? {});
  // TQ1-2 is how much each time, where no other field says it.
  const isDosed = stated.doseQuantity !== undefined || stated.doseRange !== undefined;
  const dose = isDosed || timing?.quantity === undefined ? stated : { doseQuantity: timing.quantity, ...stated };
  const instruction = conceptOf(context, rxr?.field(5));
  const when = timing?.timing ?? (timing?.start === undefined ? undefined : { event: [timing.start] });
  const dosage = compact({
    text,
    additionalInstruction: present([instruction, ...(timing?.notes ?? [])]),
    timing: when,
    asNeededBoolean: timing?.asNeeded,
    ...routeOf(context, rxr),
    doseAndRate:
      Object.keys(dose).length === 0
        ? undefined
        : [{ type: { coding: [{ system: DOSE_TYPE, code: 'ordered', display: 'Ordered' }] }, ...dose }],
    maxDosePerPeriod: parts.maxDosePerPeriod,
  });
  return Object.keys(dosage).length === 0 ? undefined : dosage;
}

/** Timings of a prescription, one for each TQ1 of the first section that has any; else that of ORC-7. */
export function timingsOf(
  context: Context,
  order: OrderGroup,
  sections: readonly (readonly Segment[])[],
): readonly OrderTiming[] {
  const tq1 = sections.find((segments) => segments.length > 0);
  return tq1 === undefined ? present([timingOf(context, order)]) : tq1.map((each) => tq1Timing(context, each));
}

/** One dosage for each timing, numbered by TQ1-12: `S` says that the next one follows, anything else that it goes on beside. */
export function dosagesOf(
  context: Context,
  parts: Omit<DosageParts, 'timing'>,
  timings: readonly OrderTiming[],
): Element[] {
  if (timings.length < 2) return present([dosageOf(context, { ...parts, timing: timings[0] })]);
  let sequence = 1;
  return timings.flatMap((timing) => {
    const dosage = dosageOf(context, { ...parts, timing });
    const numbered = dosage === undefined ? [] : [{ sequence, ...dosage }];
    if (timing.conjunction === 'S') sequence++;
    return numbered;
  });
}

/** The timing of the first TQ1. */
export function timingOfFirst(context: Context, tq1: readonly Segment[]): OrderTiming | undefined {
  return tq1.length === 0 ? undefined : tq1Timing(context, tq1[0]);
}
