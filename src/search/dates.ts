/**
 * FHIR dates and times as half-open intervals of milliseconds: `2020` is the whole year, `2020-05-04T10:00:00Z` one second.
 * A text without a zone is UTC, in resources and in searches alike (R4 search, 3.1.1.4.8 leaves the choice to the server).
 */

/** `low` is inside, `high` is the first millisecond after; infinite where a Period is open. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const DATE = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** The interval that a `date`, `dateTime`, `instant` or search value covers; undefined when the text is none of them. */
export function parseInterval(text: string): Interval | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, y = '', mo, d, h, mi, s, fraction, zone] = match;
  const year = Number(y);
  const month = mo === undefined ? 1 : Number(mo);
  const day = d === undefined ? 1 : Number(d);
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (mo === undefined) return { low: utc(year, 1, 1), high: utc(year + 1, 1, 1) };
  if (d === undefined)
    return { low: utc(year, month, 1), high: month === 12 ? utc(year + 1, 1, 1) : utc(year, month + 1, 1) };
  if (h === undefined) return { low: utc(year, month, day), high: utc(year, month, day) + DAY_MS };
  const hour = Number(h);
  const minute = Number(mi);
  // Leap seconds exist in FHIR (`:60`): they run into the next minute.
  const second = s === undefined ? 0 : Number(s);
  if (hour > 24 || (hour === 24 && (minute > 0 || second > 0)) || minute > 59 || second > 60) return undefined;
  const offset = zoneMinutes(zone);
  if (offset === undefined) return undefined;
  const millis = fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
  const low = utc(year, month, day) + ((hour * 60 + minute - offset) * 60 + second) * 1000 + millis;
  const width =
    s === undefined
      ? 60_000
      : fraction === undefined
        ? 1000
        : fraction.length === 1
          ? 100
          : fraction.length === 2
            ? 10
            : 1;
  return { low, high: low + width };
}

export const DAY_MS = 86_400_000;

/** Date.UTC without its reading of the years 0 to 99 as 1900 to 1999. */
function utc(year: number, month: number, day: number): number {
  if (year > 99) return Date.UTC(year, month - 1, day);
  return new Date(0).setUTCFullYear(year, month - 1, day);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function zoneMinutes(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  if (minutes > 14 * 60) return undefined;
  return zone.startsWith('-') ? -minutes : minutes;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The interval of a date element: a primitive, a Period (open ends are infinite), or a Timing (from its first to its last
 * event, or its bounds). Undefined when nothing in it is a date.
 */
export function intervalOf(value: unknown, kind: string): Interval | undefined {
  if (typeof value === 'string') return parseInterval(value);
  if (!isRecord(value)) return undefined;
  if (kind === 'Period') return periodInterval(value);
  if (kind === 'Timing') return timingInterval(value);
  return undefined;
}

function periodInterval(period: Readonly<Record<string, unknown>>): Interval | undefined {
  const start = typeof period.start === 'string' ? parseInterval(period.start) : undefined;
  const end = typeof period.end === 'string' ? parseInterval(period.end) : undefined;
  if (start === undefined && end === undefined) return undefined;
  const low = start?.low ?? Number.NEGATIVE_INFINITY;
  const high = end?.high ?? Number.POSITIVE_INFINITY;
  // What ends before it starts (per-1) is no time at all: nothing finds it by date.
  return low < high ? { low, high } : undefined;
}

function timingInterval(timing: Readonly<Record<string, unknown>>): Interval | undefined {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const event of Array.isArray(timing.event) ? (timing.event as readonly unknown[]) : []) {
    const interval = typeof event === 'string' ? parseInterval(event) : undefined;
    if (interval === undefined) continue;
    low = Math.min(low, interval.low);
    high = Math.max(high, interval.high);
  }
  const bounds =
    isRecord(timing.repeat) && isRecord(timing.repeat.boundsPeriod)
      ? periodInterval(timing.repeat.boundsPeriod)
      : undefined;
  if (bounds !== undefined) {
    low = Math.min(low, bounds.low);
    high = Math.max(high, bounds.high);
  }
  return low <= high ? { low, high } : undefined;
}
