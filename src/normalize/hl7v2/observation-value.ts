/** OBX-2, OBX-5 and OBX-6 to Observation.value[x] (map OBX[Observation]), with the corrections of docs/hl7v2.md. */
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import { toFhirTime } from '../../formats/hl7v2/dtm.ts';
import { isAbove, parseCompared, parseNm, toComparator } from '../../formats/hl7v2/numeric.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Decimal } from '../../formats/fhir/json.ts';
import { compact, dateTimeOf, extension, periodOf, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { edAttachment, rpAttachment } from './datatypes/attachment.ts';
import { unitOf } from './datatypes/quantity.ts';

const VALUE_ATTACHMENT = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.valueAttachment';

/** Types whose repetitions are lines of one text. */
const TEXT_TYPES = new Set(['ST', 'FT', 'TX', '']);

/** What OBX-5 becomes: members of the Observation (`valueQuantity`, `component`, `extension`); empty for no value. */
export function valueElements(context: Context, obx: Segment, code: Element, location: string): Element {
  const raw = obx.field(5);
  if (raw === '' || raw === '""') return {};
  const type = textOf(context, obx.field(2))?.toUpperCase() ?? '';
  const unit = unitOf(context, obx.field(6));
  const lines = repetitions(raw, context.by);
  if (TEXT_TYPES.has(type)) {
    const text = textValue(context, lines);
    return isTextType(type) ? text : measured(text, unit);
  }
  const parts = lines.length === 1 ? lines : lines.filter((part) => part !== '');
  if (parts.length === 1) return oneValue(context, type, parts[0], unit, location);
  const component = parts.flatMap((part) => {
    const value = oneValue(context, type, part, unit, location);
    return Object.keys(value).length === 0 ? [] : [{ code, ...value }];
  });
  return component.length === 0 ? {} : { component };
}

/** True for OBX types that are lines of a text, which may go on in the next OBX of the same code. */
export function isTextType(type: string): boolean {
  return type === 'TX' || type === 'FT';
}

function textValue(context: Context, parts: readonly string[]): Element {
  const text = parts
    .map((part) => textOf(context, part) ?? '')
    .join('\n')
    .trim();
  return text === '' ? {} : { valueString: text };
}

function oneValue(context: Context, type: string, raw: string, unit: Element, location: string): Element {
  const parts = components(raw, context.by);
  switch (type) {
    case 'NM':
      return numberValue(context, raw, unit);
    case 'SN':
      return structuredNumber(context, parts, unit);
    case 'CE':
    case 'CWE':
    case 'CNE':
    case 'CF':
    case 'IS':
    case 'ID':
      return compact({ valueCodeableConcept: conceptOf(context, raw) });
    case 'DT':
    case 'DTM':
    case 'TS':
      return orText(context, raw, { valueDateTime: dateTimeOf(context, raw, location) });
    case 'TM':
      return timeValue(context, raw);
    case 'DR':
      return orText(context, raw, { valuePeriod: periodOf(context, parts[0], parts[1], location) });
    case 'VR':
      return textValue(context, [parts.join('-')]);
    case 'NR':
      return rangeValue(context, raw, parts, unit);
    case 'ED':
      return attachmentValue(edAttachment(context, parts, location));
    case 'RP':
      return attachmentValue(rpAttachment(context, parts));
    default:
      return textValue(context, [raw]);
  }
}

/** What cannot be read as what OBX-2 says it is (a date `UNKNOWN`) is the result all the same: its text. */
function orText(context: Context, raw: string, value: Element): Element {
  const found = compact(value);
  return Object.keys(found).length > 0 ? found : textValue(context, [raw]);
}

/**
 * A measurement as text keeps its unit behind it: `<0.01 ng/mL`. R4 has no other place for OBX-6 beside a text (the map says so
 * for SN; NM and ST are ours). Words and texts of several lines measure nothing.
 */
function measured(value: Element, { unit }: Element): Element {
  const text = value.valueString;
  if (typeof text !== 'string' || typeof unit !== 'string') return value;
  if (!/\d/.test(text) || text.includes('\n') || text.endsWith(unit)) return value;
  return { valueString: `${text} ${unit}` };
}

/** NM. What is no number but has a comparator is a quantity all the same; anything else (`NEG`, `1:128`, `1e3`) is text. */
function numberValue(context: Context, raw: string, unit: Element): Element {
  const text = textOf(context, raw);
  if (text === undefined) return {};
  const value = parseNm(text);
  if (value !== undefined) return { valueQuantity: { value, ...unit } };
  const compared = parseCompared(text);
  return compared === undefined
    ? measured({ valueString: text }, unit)
    : { valueQuantity: { value: compared.value, comparator: compared.comparator, ...unit } };
}

/** SN: comparator, number, separator, number. What has no FHIR form (`<>`, `+`, a comparator of no table) becomes text. */
function structuredNumber(context: Context, parts: readonly string[], unit: Element): Element {
  const [comparator, first, separator, second] = [0, 1, 2, 3].map((i) => textOf(context, parts[i]));
  const low = first === undefined ? undefined : parseNm(first);
  const high = second === undefined ? undefined : parseNm(second);
  const asText = (): Element =>
    measured(
      textValue(context, [[comparator, first, separator, second].filter((part) => part !== undefined).join(' ')]),
      unit,
    );
  // Some senders write an SN as they would write an NM: `<5`.
  if (comparator !== undefined && first === undefined && separator === undefined && second === undefined)
    return numberValue(context, parts[0], unit);
  // A lone quotation mark is half a `""`.
  const isPlain = comparator === undefined || comparator === '=' || comparator === '"';
  if (low === undefined || (!isPlain && toComparator(comparator) === undefined)) return asText();
  const quantity = (value: Decimal): Element => compact({ value, ...unit });
  const compared = compact({ value: low, comparator: toComparator(comparator), ...unit });
  if (separator === undefined && second === undefined) return { valueQuantity: compared };
  if ((separator === ':' || separator === '/') && high !== undefined)
    return { valueRatio: { numerator: compared, denominator: quantity(high) } };
  if (separator === '-' && high !== undefined && isPlain && !isAbove(low, high)) {
    return { valueRange: { low: quantity(low), high: quantity(high) } };
  }
  return asText();
}

function timeValue(context: Context, raw: string): Element {
  const text = textOf(context, raw);
  const time = text === undefined ? undefined : toFhirTime(text);
  return time === undefined ? compact({ valueString: text }) : { valueTime: time };
}

function rangeValue(context: Context, raw: string, parts: readonly string[], unit: Element): Element {
  const [low, high] = [parts[0], parts[1]].map((part) => parseNm(textOf(context, part) ?? ''));
  if ((low === undefined && high === undefined) || isAbove(low, high)) return measured(textValue(context, [raw]), unit);
  return {
    valueRange: compact({
      low: low === undefined ? undefined : { value: low, ...unit },
      high: high === undefined ? undefined : { value: high, ...unit },
    }),
  };
}

function attachmentValue(attachment: Element | undefined): Element {
  return compact({
    extension: attachment === undefined ? undefined : [extension(VALUE_ATTACHMENT, 'valueAttachment', attachment)],
  });
}

const RANGE = /^([+-]?[\d.]+)\s*(?:-|–|to)\s*([+-]?[\d.]+)$/;
const LIMIT = /^([<>=≤≥]{1,2})\s*([\d.]+)$/;

/** OBX-7: the text as it is, and low and high where it can only mean them. */
export function referenceRange(context: Context, raw: string, rawUnit: string): Element[] | undefined {
  const text = textOf(context, raw);
  if (text === undefined) return undefined;
  const unit = unitOf(context, rawUnit);
  const bare = bareRange(text, unit);
  const range = RANGE.exec(bare);
  const limit = LIMIT.exec(bare);
  const comparator = toComparator(limit?.[1]);
  const low = parseNm(range?.[1] ?? (comparator?.startsWith('>') === true ? (limit?.[2] ?? '') : ''));
  const high = parseNm(range?.[2] ?? (comparator?.startsWith('<') === true ? (limit?.[2] ?? '') : ''));
  // `9-1` is no range.
  if (isAbove(low, high)) return [{ text }];
  return [
    compact({
      low: low === undefined ? undefined : { value: low, ...unit },
      high: high === undefined ? undefined : { value: high, ...unit },
      text,
    }),
  ];
}

/** Without brackets around it, and without the unit of OBX-6 behind it. */
function bareRange(text: string, { unit, code }: Element): string {
  const inner = /^[([](.*)[)\]]$/.exec(text)?.[1] ?? text;
  const suffix = [unit, code].find((each) => typeof each === 'string' && inner.endsWith(` ${each}`));
  return (typeof suffix === 'string' ? inner.slice(0, -suffix.length) : inner).trim();
}
