/** CQ and number with unit to Quantity (maps CQ[Quantity], CWE[Quantity]). */
import { codeTable } from '../../../core/code-table.ts';
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { parseNm } from '../../../formats/hl7v2/numeric.ts';
import { compact, textOf, type Context, type Element } from '../context.ts';

const UCUM = 'http://unitsofmeasure.org';

/** A coded unit (CE, CWE) as members of Quantity. A code only with the system UCUM: other units are text. */
export function unitOf(context: Context, raw: string): Element {
  return raw === '' ? {} : unitFrom(context, components(raw, context.by));
}

function unitFrom(context: Context, parts: readonly string[]): Element {
  const code = textOf(context, parts[0]);
  const unit = textOf(context, parts[1]) ?? code;
  if (unit === undefined) return {};
  const isUcum = textOf(context, parts[2])?.toUpperCase() === 'UCUM';
  return isUcum && code !== undefined ? { unit, system: UCUM, code } : { unit };
}

/** CQ: quantity and unit, the unit as subcomponents. Undefined where the quantity is no number. */
export function cqQuantity(context: Context, raw: string): Element | undefined {
  if (raw === '') return undefined;
  const [amount, unit = ''] = components(raw, context.by);
  const value = parseNm(textOf(context, amount) ?? '');
  return value === undefined ? undefined : { value, ...unitFrom(context, subcomponents(unit, context.by)) };
}

/** NM with a coded unit in a field of its own. Undefined where it is no number. */
export function quantityOf(context: Context, amount: string, unit: string): Element | undefined {
  const value = parseNm(textOf(context, amount) ?? '');
  return value === undefined ? undefined : { value, ...unitOf(context, unit) };
}

/** Words for units of time, as senders write them, to UCUM codes. */
const TIME_UNITS: Readonly<Record<string, string>> = codeTable({
  s: 's',
  sec: 's',
  second: 's',
  seconds: 's',
  m: 'min',
  min: 'min',
  minute: 'min',
  minutes: 'min',
  h: 'h',
  hr: 'h',
  hour: 'h',
  hours: 'h',
  d: 'd',
  day: 'd',
  days: 'd',
  w: 'wk',
  wk: 'wk',
  week: 'wk',
  weeks: 'wk',
  l: 'mo',
  mo: 'mo',
  month: 'mo',
  months: 'mo',
  a: 'a',
  ann: 'a',
  y: 'a',
  yr: 'a',
  year: 'a',
  years: 'a',
});

/** UCUM code of a unit of time; undefined for anything else. */
export function timeUnit(text: string | undefined): string | undefined {
  const word = text?.toLowerCase() ?? '';
  return Object.hasOwn(TIME_UNITS, word) ? TIME_UNITS[word] : undefined;
}

/** CQ of a time as Duration (R4 rule drt-1: a unit of time); undefined without a unit that is one. */
export function cqDuration(context: Context, raw: string): Element | undefined {
  const quantity = cqQuantity(context, raw);
  if (quantity === undefined) return undefined;
  const unit = subcomponents(components(raw, context.by)[1] ?? '', context.by).map((part) => textOf(context, part));
  const code = timeUnit(unit[0]) ?? timeUnit(unit[1]);
  return code === undefined ? undefined : compact({ value: quantity.value, unit: quantity.unit, system: UCUM, code });
}
