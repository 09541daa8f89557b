/**
 * FHIR R4 dates, times and Periods as intervals, as far as consent needs them: a partial date covers all that it names,
 * an end that is a date covers that whole day (R4 datatypes, Period). Without a zone: UTC.
 */
import type { Interval } from './model.ts';

export const ALWAYS: Interval = { start: -Infinity, end: Infinity };

const PARTIAL = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/;
const FULL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?$/;

/** The interval that a date, dateTime or instant names; undefined when it is not one. */
export function intervalOf(value: unknown): Interval | undefined {
  if (typeof value !== 'string') return undefined;
  const partial = PARTIAL.exec(value);
  if (partial !== null) {
    const [, year = '', month, day] = partial;
    const y = Number(year);
    const start = Date.UTC(y, month === undefined ? 0 : Number(month) - 1, day === undefined ? 1 : Number(day));
    if (month === undefined) return { start, end: Date.UTC(y + 1, 0, 1) };
    if (day === undefined) return { start, end: Date.UTC(y, Number(month), 1) };
    return { start, end: Date.UTC(y, Number(month) - 1, Number(day) + 1) };
  }
  if (!FULL.test(value)) return undefined;
  const at = Date.parse(/(?:Z|[+-]\d{2}:\d{2})$/.test(value) ? value : `${value}Z`);
  if (Number.isNaN(at)) return undefined;
  return { start: at, end: at + (value.includes('.') ? 1 : 1000) };
}

/** The interval of a Period, open where it is open; undefined when one of its ends cannot be read or nothing is there. */
export function intervalOfPeriod(value: unknown): Interval | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { start, end }: { start?: unknown; end?: unknown } = value;
  if (start === undefined && end === undefined) return undefined;
  const from = start === undefined ? ALWAYS : intervalOf(start);
  const to = end === undefined ? ALWAYS : intervalOf(end);
  return from === undefined || to === undefined ? undefined : { start: from.start, end: to.end };
}

export function overlaps(a: Interval, b: Interval): boolean {
  return a.start < b.end && b.start < a.end;
}

export function within(inner: Interval, outer: Interval): boolean {
  return inner.start >= outer.start && inner.end <= outer.end;
}
