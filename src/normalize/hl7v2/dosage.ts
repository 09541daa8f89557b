/** RXR and TQ1 to Dosage (maps RXR[MedicationRequest], TQ1[MedicationRequest]). */
import type { Segment } from '../../formats/hl7v2/message.ts';
import { ADMINISTRATION_METHOD, ROUTE } from './administration-codes.ts';
import { compact, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { quantityOf, timeUnit } from './datatypes/quantity.ts';
import type { OrderGroup } from './order-group.ts';
import { timingsOf, tq1Timing, type OrderTiming } from './timing.ts';

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
    route: tableConcept(context, rxr?.field(1), '0162', ROUTE),
    site: conceptOf(context, rxr?.field(2), `${V2_TABLE}0163`),
    method: tableConcept(context, rxr?.field(4), '0165', ADMINISTRATION_METHOD),
  };
}

/** A dosage, or undefined where nothing is said of it. */
export function dosageOf(context: Context, parts: DosageParts): Element | undefined {
  const { timing, rxr, text } = parts;
  const stated = compact(parts.dose ?? {});
  // TQ1-2 is how much each time, where no other field says it.
  const isDosed = ['doseQuantity', 'doseRange', 'rateRatio'].some((name) => stated[name] !== undefined);
  const dose = isDosed || timing?.quantity === undefined ? stated : { doseQuantity: timing.quantity, ...stated };
  const instruction = conceptOf(context, rxr?.field(5));
  // From when until when to take it says no more than that.
  const when =
    timing?.timing ?? (timing?.bounds === undefined ? undefined : { repeat: { boundsPeriod: timing.bounds } });
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

/** Timings of a prescription: one for each TQ1 of the first section that has any, else one for each TQ. */
export function prescribedTimings(
  context: Context,
  order: OrderGroup,
  sections: readonly (readonly Segment[])[],
  rxe: Segment | undefined,
): readonly OrderTiming[] {
  const tq1 = sections.find((segments) => segments.length > 0);
  return tq1 === undefined ? timingsOf(context, order, rxe?.field(1)) : tq1.map((each) => tq1Timing(context, each));
}

/**
 * The rate of a dose: `amount` in `unit`, per unit of time (`H1`, as in TQ.3) where the unit does not say it itself
 * (`mL/h`). `rateQuantity` or `rateRatio`, a member of doseAndRate; empty without an amount.
 */
export function rateOf(context: Context, amount: string, unit: string, per: string): Element {
  const rate = quantityOf(context, amount, unit);
  if (rate === undefined) return {};
  const time = timeOf(textOf(context, per));
  const isWhole = typeof rate.unit === 'string' && /\/|\bper\b/i.test(rate.unit);
  return time === undefined || isWhole ? { rateQuantity: rate } : { rateRatio: { numerator: rate, denominator: time } };
}

/** `S30`, `M5`, `H1`, `D`: so many units of time. */
function timeOf(text: string | undefined): Element | undefined {
  const match = /^([SMHDWL])(\d{0,6})$/i.exec(text ?? '');
  const code = timeUnit(match?.[1]);
  return match === null || code === undefined
    ? undefined
    : { value: Number(match[2] || 1), unit: code, system: 'http://unitsofmeasure.org', code };
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
