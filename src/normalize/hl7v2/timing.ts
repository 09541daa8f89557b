/**
 * TQ1, and TQ of older versions (ORC-7, OBR-27), to when something is to be done (maps TQ1[ServiceRequest],
 * TQ1[MedicationRequest], RPT[Timing]). Several of them are dosages of a prescription; a ServiceRequest has room for the first, and
 * for the moments of all where they say nothing else.
 */
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import { toFhirTime } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { compact, dateTimeOf, periodOf, present, textOf, type Context, type Element } from './context.ts';
import { cqDuration, cqQuantity } from './datatypes/quantity.ts';
import type { OrderGroup } from './order-group.ts';
import { joinedPatterns, repeatPattern } from './repeat-pattern.ts';

/** When an order is to be carried out. */
export interface OrderTiming {
  /** TQ1-2: how much each time. */
  readonly quantity: Element | undefined;
  /** Timing; undefined where nothing repeats or lasts. */
  readonly timing: Element | undefined;
  /** TQ1-7 and TQ1-8 as dateTimes. */
  readonly start: string | undefined;
  readonly end: string | undefined;
  /** Both as a Period. */
  readonly bounds: Element | undefined;
  /** Code of table 0485. */
  readonly priority: string | undefined;
  /** True for `PRN`. */
  readonly asNeeded: true | undefined;
  /** TQ1-12, table 0472. */
  readonly conjunction: string | undefined;
  /** TQ1-10 and TQ1-11 as notes. */
  readonly notes: Element[];
}

/** The fields, whichever segment they come from. */
interface TimingFields {
  readonly quantity: string;
  /** RPT each; of an RI its code. */
  readonly patterns: readonly string[];
  readonly explicit: readonly string[];
  readonly duration: string;
  readonly start: string;
  readonly end: string;
  readonly priority: string;
  readonly texts: readonly string[];
  readonly occurrence: string;
  readonly count: string;
  readonly conjunction: string;
}

/** The timings of an order: its TQ1, else ORC-7, else `other` (RXE-1), else OBR-27. */
export function timingsOf(context: Context, group: OrderGroup, other = ''): readonly OrderTiming[] {
  const tq1 = group.details.filter(({ id }) => id === 'TQ1');
  if (tq1.length > 0) return tq1.map((each) => tq1Timing(context, each));
  const places = [
    ['ORC-7', group.orc?.field(7) ?? ''],
    ['RXE-1', other],
    ['OBR-27', group.obr?.field(27) ?? ''],
  ] as const;
  const [location, raw] = places.find(([, text]) => text !== '') ?? places[0];
  return tqTimings(context, raw, location);
}

/** Repetitions of TQ. */
export function tqTimings(context: Context, raw: string, location: string): OrderTiming[] {
  return raw === '' ? [] : present(repetitions(raw, context.by).map((each) => tqTiming(context, each, location)));
}

/** One TQ; undefined for an empty one. */
export function tqTiming(context: Context, raw: string, location: string): OrderTiming | undefined {
  return raw === '' ? undefined : fromFields(context, tqFields(context, raw), location);
}

/** One TQ1. */
export function tq1Timing(context: Context, tq1: Segment): OrderTiming {
  const fields: TimingFields = {
    quantity: tq1.field(2),
    patterns: repetitions(tq1.field(3), context.by),
    explicit: repetitions(tq1.field(4), context.by),
    duration: tq1.field(6),
    start: tq1.field(7),
    end: tq1.field(8),
    priority: tq1.field(9),
    texts: [tq1.field(10), tq1.field(11)],
    occurrence: tq1.field(13),
    count: tq1.field(14),
    conjunction: tq1.field(12),
  };
  return fromFields(context, fields, 'TQ1');
}

/** TQ: its components hold what became fields of TQ1, one level lower. */
function tqFields(context: Context, raw: string): TimingFields {
  const { by } = context;
  const parts = components(raw, by);
  const lower = (part = ''): string => subcomponents(part, by).join(by.component);
  const [pattern = '', times = ''] = subcomponents(parts[1] ?? '', by);
  return {
    quantity: quantityText(lower(parts[0]), by.component),
    patterns: [pattern],
    explicit: times === '' ? [] : times.split(','),
    duration: durationText(parts[2] ?? '', by),
    start: parts[3] ?? '',
    end: parts[4] ?? '',
    priority: parts[5] ?? '',
    texts: [parts[6] ?? '', parts[7] ?? ''],
    occurrence: '',
    // TQ.3 `X4`: four times.
    count: (parts[11] ?? '') || (/^X(\d+)$/i.exec((parts[2] ?? '').trim())?.[1] ?? ''),
    conjunction: parts[8] ?? '',
  };
}

/** CQ below CQ: the unit comes at the same level as the quantity. */
function quantityText(raw: string, divider: string): string {
  return raw.split(divider).slice(0, 2).join(divider);
}

/** TQ.3 writes a duration as a letter and a number: `D10`, `H2`. */
function durationText(text: string, by: Context['by']): string {
  const match = /^([SMHDWL])(\d+)$/i.exec(text.trim());
  return match === null ? '' : `${match[2]}${by.component}${match[1]}`;
}

function fromFields(context: Context, fields: TimingFields, location: string): OrderTiming {
  const { by } = context;
  const stated = fields.patterns.filter((raw) => raw !== '');
  const pattern = joinedPatterns(
    (stated.length > 0 ? stated : ['']).map((raw) => repeatPattern(patternParts(context, raw))),
  );
  const times = present(fields.explicit.map((raw) => clock(textOf(context, raw))));
  const duration = cqDuration(context, fields.duration);
  const each = cqDuration(context, fields.occurrence);
  const count = /^[1-9]\d{0,8}$/.exec(textOf(context, fields.count) ?? '')?.[0];
  const bounds = periodOf(context, fields.start, fields.end, location);
  const repeat = compact({
    ...pattern.repeat,
    // R4 rule tim-10: a time of day, or an event.
    ...(times.length > 0 && pattern.repeat.when === undefined && { timeOfDay: times }),
    ...(each !== undefined && { duration: each.value, durationUnit: each.code }),
    count: count === undefined ? undefined : Number(count),
  });
  const repeats = Object.keys(repeat).length > 0;
  const lasts = bounds?.end === undefined && duration !== undefined;
  const start = dateTimeOf(context, fields.start, `${location}-7`);
  const timing = compact({
    // Beside a duration there is no place for the start but the first event.
    event: lasts && start !== undefined ? [start] : undefined,
    repeat:
      repeats || lasts
        ? {
            ...(bounds?.end !== undefined
              ? { boundsPeriod: bounds }
              : lasts
                ? { boundsDuration: duration }
                : bounds !== undefined && { boundsPeriod: bounds }),
            ...repeat,
          }
        : undefined,
    code: pattern.code,
  });
  const priority = textOf(context, components(fields.priority, by)[0]);
  return {
    quantity: cqQuantity(context, fields.quantity),
    timing: Object.keys(timing).length === 0 ? undefined : timing,
    start,
    end: dateTimeOf(context, fields.end, `${location}-8`),
    bounds,
    priority,
    asNeeded: priority === 'PRN' || pattern.asNeeded ? true : undefined,
    conjunction: textOf(context, fields.conjunction),
    notes: present(fields.texts.map((raw) => textOf(context, components(raw, by)[0]))).map((text) => ({ text })),
  };
}

/** The components of an RPT, each by its first subcomponent. */
function patternParts(context: Context, raw: string): (string | undefined)[] {
  return components(raw, context.by).map((part) => textOf(context, subcomponents(part, context.by)[0]));
}

/** `1130`, `113005` and `11:30:05` as FHIR time. */
function clock(text: string | undefined): string | undefined {
  return text === undefined ? undefined : toFhirTime(text.replaceAll(':', ''));
}
