/** CQ and number with unit to Quantity (maps CQ[Quantity], CWE[Quantity]). */
import { codeTable } from '../../../core/code-table.ts';
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { parseNm } from '../../../formats/hl7v2/numeric.ts';
import { codeOf, compact, textOf, type Context, type Element } from '../context.ts';

const UCUM = 'http://unitsofmeasure.org';

/**
 * A coded unit (CE, CWE) as members of Quantity: the text of the first triplet, and the code of the triplet that is UCUM: other
 * units are text.
 */
export function unitOf(context: Context, raw: string): Element {
  return raw === '' ? {} : unitFrom(context, components(raw, context.by), context.by.component);
}

function unitFrom(context: Context, parts: readonly string[], divider: string): Element {
  const code = textOf(context, parts[0]);
  const power = unescapedPower(code, textOf(context, parts[1]), divider);
  if (power !== undefined) return { unit: power };
  const unit = textOf(context, parts[1]) ?? code;
  const at = TRIPLETS.find((i) => isUcum(textOf(context, parts[i + 2])) && textOf(context, parts[i]) !== undefined);
  if (at === undefined) return unit === undefined ? {} : { unit };
  const standard = codeOf(context, parts[at]);
  return { unit: unit ?? textOf(context, parts[at + 1]) ?? standard, system: UCUM, code: standard };
}

/** Components where the three triplets of a CWE begin. */
const TRIPLETS = [0, 3, 9];

/** `10^9/L` that its sender forgot to escape falls into two components. The unit would be `9/L`. */
function unescapedPower(code: string | undefined, rest: string | undefined, divider: string): string | undefined {
  if (code === undefined || rest === undefined) return undefined;
  return /^[x×*]?\s*10$/i.test(code) && /^[+-]?\d{1,2}(?!\d)/.test(rest) ? `${code}${divider}${rest}` : undefined;
}

const UCUM_NAMES = new Set(['UCUM', UCUM.toUpperCase(), '2.16.840.1.113883.6.8', 'URN:OID:2.16.840.1.113883.6.8']);

function isUcum(name: string | undefined): boolean {
  return name !== undefined && UCUM_NAMES.has(name.toUpperCase());
}

/** CQ: quantity and unit, the unit as subcomponents. Undefined where the quantity is no number. */
export function cqQuantity(context: Context, raw: string): Element | undefined {
  if (raw === '') return undefined;
  const [amount, unit = ''] = components(raw, context.by);
  const value = parseNm(textOf(context, amount) ?? '');
  return value === undefined
    ? undefined
    : { value, ...unitFrom(context, subcomponents(unit, context.by), context.by.subcomponent) };
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
