/**
 * Delimiters of one message (HL7 v2 section 2.5.4): MSH-1 and the four or five characters of MSH-2, and the splitting
 * of raw field text by them. Raw text is what stands between delimiters, still escaped.
 */
import { GatewayError } from '../../core/errors.ts';

export interface Delimiters {
  /** MSH-1. */
  readonly field: string;
  readonly component: string;
  readonly repetition: string;
  /** Undefined when MSH-2 has fewer than three characters: then nothing is escaped. */
  readonly escape: string | undefined;
  readonly subcomponent: string;
  /** The fifth character of MSH-2 (v2.7 and later). */
  readonly truncation: string | undefined;
}

const DEFAULTS = '^~\\&';
const shared = new Map<string, Delimiters>();

/**
 * Delimiters from MSH-1 and MSH-2. Missing characters of MSH-2 take the recommended ones. Throws `invalid-syntax` when
 * a character is alphanumeric or stands for two things.
 */
export function parseDelimiters(field: string, encoding: string): Delimiters {
  const key = field + encoding;
  const known = shared.get(key);
  if (known !== undefined) return known;
  const characters = (encoding + DEFAULTS.slice(encoding.length)).split('');
  const distinct = new Set([field, ...characters]);
  const printable = /^[!-/:-@[-`{-~]{2,6}$/.test(key);
  if (!printable || distinct.size !== characters.length + 1) {
    throw new GatewayError('invalid-syntax', 'MSH-1 and MSH-2 do not name distinct delimiters', {
      expression: 'MSH-2',
    });
  }
  const [component, repetition, escape, subcomponent, truncation] = characters;
  const made: Delimiters = {
    field,
    component,
    repetition,
    escape: encoding.length < 3 ? undefined : escape,
    subcomponent,
    truncation,
  };
  if (shared.size < 64) shared.set(key, made);
  return made;
}

const NONE: readonly string[] = [];

/** Repetitions of a raw field; none for an empty one. */
export function repetitions(raw: string, by: Delimiters): readonly string[] {
  if (raw === '') return NONE;
  return raw.includes(by.repetition) ? raw.split(by.repetition) : [raw];
}

/** Components of one raw repetition: index 0 is component 1. */
export function components(raw: string, by: Delimiters): readonly string[] {
  if (raw === '') return NONE;
  return raw.includes(by.component) ? raw.split(by.component) : [raw];
}

/** Subcomponents of one raw component: index 0 is subcomponent 1. */
export function subcomponents(raw: string, by: Delimiters): readonly string[] {
  if (raw === '') return NONE;
  return raw.includes(by.subcomponent) ? raw.split(by.subcomponent) : [raw];
}

/** HL7's explicit null: the source deletes the value. Empty text means that it says nothing. */
export const HL7_NULL = '""';
