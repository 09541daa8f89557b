/**
 * DTM, TS and DT (HL7 v2 sections 2A.3.21-22): `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`, kept with the precision
 * that was written, and their FHIR R4 forms. R4 wants a zone wherever there is a time of day: the value's own, else the
 * source's IANA zone, else the zone of MSH-7, else the time of day is dropped. Nothing is ever padded but zero seconds.
 */

export interface Dtm {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number | undefined;
  /** 1 to 31, a day that this month has. */
  readonly day: number | undefined;
  readonly hour: number | undefined;
  readonly minute: number | undefined;
  readonly second: number | undefined;
  /** Digits after the second's point, as written. */
  readonly fraction: string | undefined;
  /** Minutes east of UTC, as written: 330 for +0530. */
  readonly offset: number | undefined;
}

/** What a source's clock means where a value has no zone of its own. */
export interface ZoneRule {
  /** IANA name, `Europe/Berlin`. */
  readonly zone?: string;
  /** Offset of MSH-7 in minutes, for the whole message. */
  readonly offset?: number;
}

const DTM = /^(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,9}))?([+-]\d{4})?$/;

/** A value of DTM, TS (first component) or DT. Undefined when it is none: wrong form, `00000000`, February 30th, 24:00. */
export function parseDtm(text: string): Dtm | undefined {
  const match = DTM.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction, zone] = match;
  const value: Dtm = {
    year: Number(year),
    month: part(month),
    day: part(day),
    hour: part(hour),
    minute: part(minute),
    second: part(second),
    fraction,
    offset: zone === undefined ? undefined : offsetMinutes(zone),
  };
  return isReal(value) ? value : undefined;
}

function part(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

function offsetMinutes(zone: string): number {
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3, 5));
  return zone[0] === '-' ? -minutes : minutes;
}

function isReal(value: Dtm): boolean {
  if (value.year < 1) return false;
  if (value.month !== undefined && (value.month < 1 || value.month > 12)) return false;
  if (value.day !== undefined && (value.day < 1 || value.day > daysIn(value.year, value.month ?? 1))) return false;
  if ((value.hour ?? 0) > 23 || (value.minute ?? 0) > 59 || (value.second ?? 0) > 59) return false;
  if (value.fraction !== undefined && value.second === undefined) return false;
  return Math.abs(value.offset ?? 0) <= 14 * 60;
}

function daysIn(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** FHIR `date`: year, month or day precision; a time of day is left out. */
export function toFhirDate(value: Dtm): string {
  const year = digits(value.year, 4);
  if (value.month === undefined) return year;
  return value.day === undefined
    ? `${year}-${digits(value.month, 2)}`
    : `${year}-${digits(value.month, 2)}-${digits(value.day, 2)}`;
}

/**
 * FHIR `dateTime`. With hours and minutes and a known zone it has the time of day (R4: seconds "may be zero-filled");
 * with an hour only or without a zone it is a date.
 */
export function toFhirDateTime(value: Dtm, rule: ZoneRule): string {
  const date = toFhirDate(value);
  if (value.hour === undefined || value.minute === undefined) return date;
  const offset = offsetOf(value, rule);
  if (offset === undefined) return date;
  const seconds = `${digits(value.second ?? 0, 2)}${value.fraction === undefined ? '' : `.${value.fraction}`}`;
  return `${date}T${digits(value.hour, 2)}:${digits(value.minute, 2)}:${seconds}${offsetText(offset)}`;
}

/** FHIR `instant`: only from a value with seconds and a known zone; undefined otherwise, since R4 forbids to guess them. */
export function toFhirInstant(value: Dtm, rule: ZoneRule): string | undefined {
  if (value.second === undefined) return undefined;
  const text = toFhirDateTime(value, rule);
  return text.length > 10 ? text : undefined;
}

/**
 * Milliseconds since 1970, for ordering: missing parts count as their first, a missing zone as UTC, so that values of one
 * source always compare as its clock did. Undefined for a value without a day.
 */
export function toMillis(value: Dtm, rule: ZoneRule): number | undefined {
  if (value.month === undefined || value.day === undefined) return undefined;
  const fraction = Number(`0.${value.fraction ?? '0'}`);
  return localMillis(value) + Math.floor(fraction * 1000) - (offsetOf(value, rule) ?? 0) * 60_000;
}

function localMillis(value: Dtm): number {
  const time = Date.UTC(
    2000,
    (value.month ?? 1) - 1,
    value.day ?? 1,
    value.hour ?? 0,
    value.minute ?? 0,
    value.second ?? 0,
  );
  // Date.UTC reads years below 100 as 19xx: set the year afterwards.
  return new Date(time).setUTCFullYear(value.year, (value.month ?? 1) - 1, value.day ?? 1);
}

function offsetOf(value: Dtm, rule: ZoneRule): number | undefined {
  if (value.offset !== undefined) return value.offset;
  return rule.zone === undefined ? rule.offset : localOffset(rule.zone, localMillis(value));
}

/**
 * Offset of an IANA zone at a local time, minutes east of UTC. A local time that comes twice (clocks set back) is read as
 * the first; one that does not exist (clocks set forward) by the offset before the change.
 */
function localOffset(zone: string, local: number): number {
  const day = 86_400_000;
  const before = offsetAt(zone, local - day);
  const after = offsetAt(zone, local + day);
  if (before === after) return before;
  if (offsetAt(zone, local - before * 60_000) === before) return before;
  return offsetAt(zone, local - after * 60_000) === after ? after : before;
}

const QUARTER = 900_000;
const CACHED_OFFSETS = 20_000;
const offsets = new Map<string, Map<number, number>>();
const formats = new Map<string, Intl.DateTimeFormat>();

/** Offset at an instant. Cached per quarter of an hour: zone changes happen on quarters, and Intl costs microseconds. */
function offsetAt(zone: string, instant: number): number {
  let cache = offsets.get(zone);
  if (cache === undefined || cache.size > CACHED_OFFSETS) offsets.set(zone, (cache = new Map()));
  const quarter = Math.floor(instant / QUARTER);
  let offset = cache.get(quarter);
  if (offset === undefined) cache.set(quarter, (offset = computeOffset(zone, quarter * QUARTER)));
  return offset;
}

function computeOffset(zone: string, instant: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(instant).map((each) => [each.type, each.value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type) ?? 0);
  const local = Date.UTC(2000, number('month') - 1, number('day'), number('hour'), number('minute'), number('second'));
  const year = parts.get('era') === 'BC' ? 1 - number('year') : number('year');
  return Math.round((new Date(local).setUTCFullYear(year, number('month') - 1, number('day')) - instant) / 60_000);
}

/** True for an IANA zone name that this platform knows. */
export function isTimeZone(zone: string): boolean {
  try {
    Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0');
}

function offsetText(offset: number): string {
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${digits(Math.floor(minutes / 60), 2)}:${digits(minutes % 60, 2)}`;
}

/** TM (section 2A.3.75) as FHIR `time`: `HHMM[SS[.S...]]` without its zone; undefined when it is not a time with minutes. */
export function toFhirTime(text: string): string | undefined {
  const match = /^([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(\.\d{1,9})?(?:[+-]\d{4})?$/.exec(text);
  if (match === null || (match[4] !== undefined && match[3] === undefined)) return undefined;
  return `${match[1]}:${match[2]}:${match[3] ?? '00'}${match[4] ?? ''}`;
}
