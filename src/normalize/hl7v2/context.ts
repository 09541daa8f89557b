/**
 * One message while it is being normalised: its delimiters, clock and source, what was left out, and the readers of raw
 * text that all mappers share. "Empty" below is empty, blank or `""`.
 */
import { components, HL7_NULL, subcomponents, type Delimiters } from '../../formats/hl7v2/delimiters.ts';
import { parseDtm, toFhirDateTime, toMillis, type Dtm, type ZoneRule } from '../../formats/hl7v2/dtm.ts';
import { unescapeText } from '../../formats/hl7v2/escape.ts';
import type { Hl7Message } from '../../formats/hl7v2/message.ts';
import type { SourceProfile } from './source-profile.ts';

/** A FHIR element or resource while it is being made. */
export type Element = Record<string, unknown>;

/** Something of the message that did not get into a resource, without its value. */
export interface Omission {
  /** `OBX[3]-5`: segment, its number among its kind, field. */
  readonly location: string;
  readonly reason:
    | 'not-a-date'
    | 'not-authorised'
    | 'ends-before-start'
    | 'not-an-attachment'
    | 'no-code'
    | 'no-name'
    | 'no-end'
    | 'not-a-charge';
}

export interface Context {
  readonly message: Hl7Message;
  readonly by: Delimiters;
  readonly profile: SourceProfile;
  readonly zone: ZoneRule;
  readonly receivedAt: number;
  readonly controlId: string;
  readonly omissions: Omission[];
}

// oxlint-disable-next-line no-control-regex -- R4 string: no characters below U+0020 but tab, line feed and carriage return
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;

/** Text of raw text, trimmed, without the control characters that FHIR cannot hold; undefined when it is empty. */
export function textOf(context: Context, raw: string | undefined): string | undefined {
  if (raw === undefined || raw === '' || raw === HL7_NULL) return undefined;
  const text = unescapeText(raw, context.by, context.message.charset).replace(CONTROLS, '').trim();
  return text === '' || text === HL7_NULL ? undefined : text;
}

/** Text in the form of FHIR `code`: single blanks only. */
export function codeOf(context: Context, raw: string | undefined): string | undefined {
  const text = textOf(context, raw);
  return text === undefined || !/\s/.test(text) ? text : text.replace(/\s+/g, ' ');
}

/** Text of the first component (and its first subcomponent) of raw text. */
export function firstOf(context: Context, raw: string | undefined): string | undefined {
  if (raw === undefined || raw === '') return undefined;
  return textOf(context, subcomponents(components(raw, context.by)[0] ?? '', context.by)[0]);
}

/** True when the source deletes the whole field. */
export function isDeleted(raw: string): boolean {
  return raw === HL7_NULL;
}

/** A date of raw text (first component: TS.2 repeats the precision); what is not a date is noted as left out. */
export function dtmOf(context: Context, raw: string | undefined, location: string): Dtm | undefined {
  const text = textOf(context, raw === undefined ? undefined : components(raw, context.by)[0]);
  if (text === undefined) return undefined;
  const value = parseDtm(text);
  if (value === undefined) context.omissions.push({ location, reason: 'not-a-date' });
  return value;
}

/** FHIR dateTime of raw text, by the zone rules of the message. */
export function dateTimeOf(context: Context, raw: string | undefined, location: string): string | undefined {
  const value = dtmOf(context, raw, location);
  return value === undefined ? undefined : toFhirDateTime(value, context.zone);
}

/** Period of two raw dates; undefined without either. One that ends before it starts (R4 rule per-1) is noted as left out. */
export function periodOf(
  context: Context,
  start: string | undefined,
  end: string | undefined,
  location: string,
): Element | undefined {
  if ((start === undefined || start === '') && (end === undefined || end === '')) return undefined;
  const from = dtmOf(context, start, location);
  const to = dtmOf(context, end, location);
  if (from === undefined && to === undefined) return undefined;
  if (from !== undefined && to !== undefined && isAfter(context, from, to)) {
    context.omissions.push({ location, reason: 'ends-before-start' });
    return undefined;
  }
  return compact({ start: from && toFhirDateTime(from, context.zone), end: to && toFhirDateTime(to, context.zone) });
}

/** As moments; where one has no day, as far as both are precise. */
function isAfter(context: Context, from: Dtm, to: Dtm): boolean {
  const begins = toMillis(from, context.zone);
  const ends = toMillis(to, context.zone);
  if (begins !== undefined && ends !== undefined) return begins > ends;
  return from.year === to.year ? (from.month ?? 0) > (to.month ?? 12) : from.year > to.year;
}

/**
 * A copy of the element without members that are undefined or empty arrays. Copied, since `delete` would turn the object
 * into a slow dictionary: conversion took a third longer.
 */
export function compact(element: Element): Element {
  const out: Element = {};
  for (const name in element) {
    const value = element[name];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) out[name] = value;
  }
  return out;
}

/** The values that are there. */
export function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined);
}

/** An extension with one value: `extension(url, 'valueString', 'x')`. */
export function extension(url: string, name: string, value: unknown): Element | undefined {
  return value === undefined ? undefined : { url, [name]: value };
}
