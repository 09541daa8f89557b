/**
 * Names of index tokens as text parts: resource type, parameter, form, value. The writer and the searcher turn them into
 * 64-bit numbers with an index secret (`keys/index-secret`, searchToken): under the gateway's secret across patients,
 * under the patient's inside one record. These names are part of the stored format: a change needs a reindex.
 */
import { DAY_MS, type Interval } from './dates.ts';

export type TokenParts = readonly string[];

/** Parameter name of rows that stand for the type itself. */
const TYPE = '_type';

/** Every resource of a type. Under the patient's secret: every resource of a type of that patient. */
export function typeToken(type: string): TokenParts {
  return [type, TYPE, 'type'];
}

/** Resources whose date is not pinned to their sort time: see LONG_MS. */
export function longToken(type: string): TokenParts {
  return [type, TYPE, 'long'];
}

/**
 * A date that runs on for longer than this after the sort time, or has an open end, also gets a `long` row, so that
 * a search from a given day on can scan the sort times from this much earlier, plus those few.
 */
export const LONG_MS = 31 * DAY_MS;

/** The four forms of a coded value or identifier (R4 search, token). */
export function tokenBoth(type: string, parameter: string, system: string, code: string): TokenParts {
  return [type, parameter, 'system|code', system, code];
}
export function tokenBare(type: string, parameter: string, code: string): TokenParts {
  return [type, parameter, 'code', code];
}
export function tokenNoSystem(type: string, parameter: string, code: string): TokenParts {
  return [type, parameter, '|code', code];
}
export function tokenSystem(type: string, parameter: string, system: string): TokenParts {
  return [type, parameter, 'system|', system];
}

/** A reference by the id it ends in, or an absolute URL or canonical as it stands. */
export function referenceToken(type: string, parameter: string, target: string): TokenParts {
  return [type, parameter, 'reference', target];
}

export function uriToken(type: string, parameter: string, uri: string): TokenParts {
  return [type, parameter, 'uri', uri];
}

/** Normalised text cut to PREFIX_MAX characters or less. */
export function prefixToken(type: string, parameter: string, prefix: string): TokenParts {
  return [type, parameter, 'prefix', prefix];
}

/** The whole normalised text, where it is too short or too long for the prefixes to say it. */
export function wholeToken(type: string, parameter: string, text: string): TokenParts {
  return [type, parameter, 'whole', text];
}

/** Shortest and longest prefix with a row. Scripts that write a name in two characters start at one. */
export const PREFIX_MIN = 3;
export const PREFIX_MAX = 12;
const DENSE_SCRIPT = /^[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/u;

export function shortestPrefix(text: string): number {
  return DENSE_SCRIPT.test(text) ? 1 : PREFIX_MIN;
}

/** The first letters of a name together with the birth date, YYYY-MM-DD. */
export function nameBirthdateToken(type: string, prefix: string, birthdate: string): TokenParts {
  return [type, 'name+birthdate', 'prefix', prefix, birthdate];
}

/** A day, month or year (UTC) that a date lies in entirely; `wide` for a date that crosses years. */
export function dateToken(
  type: string,
  parameter: string,
  unit: 'day' | 'month' | 'year' | 'wide',
  text: string,
): TokenParts {
  return [type, parameter, unit, text];
}

/** Years with a token of their own; earlier and later ones share the edge. */
export const YEAR_MIN = 1900;
export const YEAR_MAX = 2100;

export function yearOf(ms: number): number {
  if (ms === Number.NEGATIVE_INFINITY) return YEAR_MIN;
  if (ms === Number.POSITIVE_INFINITY) return YEAR_MAX;
  return Math.min(YEAR_MAX, Math.max(YEAR_MIN, new Date(ms).getUTCFullYear()));
}

/** The date buckets of an interval: the day, month and year that hold all of it. */
export function dateTokens(type: string, parameter: string, interval: Interval): TokenParts[] {
  const last = interval.high - 1;
  if (!Number.isFinite(interval.low) || !Number.isFinite(last) || yearOf(interval.low) !== yearOf(last)) {
    return [dateToken(type, parameter, 'wide', '')];
  }
  const from = new Date(interval.low).toISOString();
  const to = new Date(last).toISOString();
  const out = [dateToken(type, parameter, 'year', String(yearOf(interval.low)))];
  const month = from.slice(0, -17);
  if (month === to.slice(0, -17)) out.push(dateToken(type, parameter, 'month', month));
  const day = from.slice(0, -14);
  if (day === to.slice(0, -14)) out.push(dateToken(type, parameter, 'day', day));
  return out;
}

/**
 * Number buckets: sign, decade and first significant digit, `+0:5` for 5 to below 6 and `-2:1` for -100 to above -200. Below
 * 10^-6 in size all is `0`; from 10^9 on each sign has one bucket.
 */
export function bucketToken(type: string, parameter: string, bucket: string): TokenParts {
  return [type, parameter, 'bucket', bucket];
}

const SMALLEST = -6;
const LARGEST = 9;

/** Buckets in numeric order; position 0 is the most negative. */
const BUCKETS: readonly string[] = (() => {
  const positive: string[] = [];
  for (let exponent = SMALLEST; exponent < LARGEST; exponent += 1) {
    for (let digit = 1; digit <= 9; digit += 1) positive.push(`${exponent}:${digit}`);
  }
  positive.push('max');
  return [...positive.toReversed().map((bucket) => `-${bucket}`), '0', ...positive.map((bucket) => `+${bucket}`)];
})();

const ZERO = (BUCKETS.length - 1) / 2;

function bucketIndex(value: number): number {
  const size = Math.abs(value);
  if (size < 10 ** SMALLEST) return ZERO;
  let offset: number;
  if (size >= 10 ** LARGEST) offset = ZERO;
  else {
    const [mantissa = '1', exponent = '0'] = size.toExponential().split('e');
    offset = (Number(exponent) - SMALLEST) * 9 + Number(mantissa.charAt(0));
  }
  return value < 0 ? ZERO - offset : ZERO + offset;
}

/** All buckets that hold numbers from `low` to `high`, both inside. */
export function bucketsBetween(low: number, high: number): readonly string[] {
  return BUCKETS.slice(bucketIndex(low), bucketIndex(high) + 1);
}

/** The bucket of a stored quantity; `open` for one whose comparator or missing bound leaves it unbounded. */
export function bucketOf(low: number, high: number): string {
  const from = bucketIndex(low);
  return from === bucketIndex(high) ? (BUCKETS[from] ?? '0') : 'open';
}
