/**
 * When an appointment is: TQ1, SCH-11, else the earliest of its resources. R4 wants instants: of a time in minutes the
 * seconds are zero, since that is what a schedule means by it (ours; of results nothing is padded).
 */
import { codeTable } from '../../core/code-table.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { toFhirDateTime, toMillis } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { compact, dtmOf, type Context, type Element } from './context.ts';
import { minutesOf } from './datatypes/duration.ts';

/** Fields of start, duration and its unit. */
const RESOURCE_TIMES: Readonly<Record<string, readonly [start: number, duration: number, unit: number]>> = codeTable({
  AIS: [4, 7, 8],
  AIG: [8, 11, 12],
  AIL: [6, 9, 10],
  AIP: [6, 9, 10],
});

interface Moment {
  readonly instant: string;
  readonly millis: number;
}

function momentOf(context: Context, raw: string | undefined, location: string): Moment | undefined {
  const value = dtmOf(context, raw, location);
  if (value?.minute === undefined) return undefined;
  const instant = toFhirDateTime(value, context.zone);
  const millis = toMillis(value, context.zone);
  return instant.length < 11 || millis === undefined ? undefined : { instant, millis };
}

/** `start`, `end` and `minutesDuration`, as far as they were sent. A start without an end lasts no time, and is noted. */
export function appointmentTime(
  context: Context,
  sch: Segment,
  tq1: Segment | undefined,
  resources: readonly Segment[],
): Element {
  const quantity = components(sch.field(11), context.by);
  const minutes = minutesOf(context, sch.field(9), sch.field(10));
  const whole = minutes === undefined ? undefined : Math.round(minutes);
  const minutesDuration = whole === undefined || whole < 1 ? undefined : whole;
  const begin =
    momentOf(context, tq1?.field(7), 'TQ1-7') ??
    momentOf(context, quantity[3], 'SCH-11.4') ??
    earliest(resources.map((segment) => resourceStart(context, segment)));
  if (begin === undefined) return compact({ minutesDuration });
  const stated = momentOf(context, tq1?.field(8), 'TQ1-8') ?? momentOf(context, quantity[4], 'SCH-11.5');
  const lasts = minutes ?? longest(context, resources);
  if (stated !== undefined && stated.millis >= begin.millis)
    return compact({ start: begin.instant, end: stated.instant, minutesDuration });
  if (lasts === undefined) context.omissions.push({ location: 'SCH-11', reason: 'no-end' });
  const end = lasts === undefined ? begin.instant : new Date(begin.millis + lasts * 60_000).toISOString();
  return compact({ start: begin.instant, end, minutesDuration });
}

function earliest(moments: readonly (Moment | undefined)[]): Moment | undefined {
  return moments.reduce(
    (first, moment) => (moment !== undefined && (first === undefined || moment.millis < first.millis) ? moment : first),
    undefined,
  );
}

function longest(context: Context, resources: readonly Segment[]): number | undefined {
  const all = resources.flatMap((segment) => resourceMinutes(context, segment) ?? []);
  return all.length === 0 ? undefined : Math.max(...all);
}

function resourceStart(context: Context, segment: Segment): Moment | undefined {
  const fields = RESOURCE_TIMES[segment.id];
  return momentOf(context, segment.field(fields[0]), `${segment.id}-${fields[0]}`);
}

/** The fields of the offset and its unit stand behind the start. `-15` is before the appointment. */
function offsetStart(context: Context, segment: Segment, appointment: unknown): Moment | undefined {
  const begins = typeof appointment === 'string' ? Date.parse(appointment) : NaN;
  const [field] = RESOURCE_TIMES[segment.id];
  const raw = segment.field(field + 1).trim();
  const isBefore = raw.startsWith('-');
  const minutes = minutesOf(context, raw.replace(/^[+-]/, ''), segment.field(field + 2));
  if (Number.isNaN(begins) || minutes === undefined) return undefined;
  const millis = begins + (isBefore ? -minutes : minutes) * 60_000;
  return { instant: new Date(millis).toISOString(), millis };
}

function resourceMinutes(context: Context, segment: Segment): number | undefined {
  const [, duration, unit] = RESOURCE_TIMES[segment.id];
  return minutesOf(context, segment.field(duration), segment.field(unit));
}

/**
 * When one resource is needed; undefined without a start. `appointment`: FHIR instant of the appointment's start, to which an offset
 * (AIG-9, AIL-7, AIP-7) is added where the segment has no start of its own.
 */
export function resourcePeriod(context: Context, segment: Segment, appointment: unknown): Element | undefined {
  const start = resourceStart(context, segment) ?? offsetStart(context, segment, appointment);
  if (start === undefined) return undefined;
  const minutes = resourceMinutes(context, segment);
  return compact({
    start: start.instant,
    end: minutes === undefined ? undefined : new Date(start.millis + minutes * 60_000).toISOString(),
  });
}
