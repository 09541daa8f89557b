/**
 * What a search compares, drawn from FHIR data types (R4 search, the table of each parameter type): codes with their
 * system, normalised strings, references, numbers. Used alike by the index (extract.ts) and the re-check (matches.ts), so
 * that the two cannot disagree.
 */
import { codeTable } from '../core/code-table.ts';
import { codesOf } from '../formats/fhir/definitions.ts';
import type { ValuePath } from './parameters.ts';

/** A code, identifier or flag. `system` undefined: it has none; `anySystem`: its system is not compared at all. */
export interface TokenValue {
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly anySystem?: boolean;
}

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The number in a JSON number or in the wrapper that keeps a decimal's text (`formats/fhir/json`). */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (!isFields(value) || typeof value.text !== 'string') return undefined;
  const number = Number(value.text);
  return Number.isFinite(number) ? number : undefined;
}

/** Calls `visit` with each token value of an element. */
export function visitTokens(value: unknown, path: ValuePath, visit: (token: TokenValue) => void): void {
  switch (path.kind) {
    case 'CodeableConcept':
      if (isFields(value) && Array.isArray(value.coding))
        for (const coding of value.coding as readonly unknown[]) visitCoding(coding, visit);
      return;
    case 'Coding':
      visitCoding(value, visit);
      return;
    case 'Identifier':
      if (isFields(value)) visitPair(textOf(value.system), textOf(value.value), visit);
      return;
    case 'ContactPoint':
      if (isFields(value) && textOf(value.value) !== undefined)
        visit({ system: undefined, code: textOf(value.value), anySystem: true });
      return;
    case 'deceased':
      visit({ system: undefined, code: value === false ? 'false' : 'true', anySystem: true });
      return;
    case 'boolean':
      if (typeof value === 'boolean') visit({ system: undefined, code: String(value), anySystem: true });
      return;
    case 'code': {
      const code = textOf(value);
      if (code !== undefined) visit(impliedSystem(code, path.valueSet));
      return;
    }
    default:
      if (textOf(value) !== undefined) visit({ system: undefined, code: textOf(value), anySystem: true });
  }
}

function visitCoding(value: unknown, visit: (token: TokenValue) => void): void {
  if (isFields(value)) visitPair(textOf(value.system), textOf(value.code), visit);
}

function visitPair(system: string | undefined, code: string | undefined, visit: (token: TokenValue) => void): void {
  if (system !== undefined || code !== undefined) visit({ system, code });
}

/** A `code` has the system of its required binding (R4 search, token: "the system is implied"). */
function impliedSystem(code: string, valueSet: string | undefined): TokenValue {
  if (valueSet === undefined) return { system: undefined, code, anySystem: true };
  for (const [system, codes] of codesOf(valueSet)) if (codes.has(code)) return { system, code };
  return { system: undefined, code, anySystem: true };
}

/** Calls `visit` with each text that a string search looks at; not yet normalised. */
export function visitStrings(value: unknown, kind: string, visit: (text: string) => void): void {
  if (typeof value === 'string') {
    if (value !== '') visit(value);
    return;
  }
  if (!isFields(value)) return;
  const names = kind === 'HumanName' ? HUMAN_NAME : kind === 'Address' ? ADDRESS : [];
  for (const name of names) {
    const part = value[name];
    for (const text of Array.isArray(part) ? (part as readonly unknown[]) : [part])
      if (typeof text === 'string' && text !== '') visit(text);
  }
}

/** R4 Patient.name: the server chooses the parts; titles ("Dr.") would only make noise. */
const HUMAN_NAME = ['family', 'given', 'text'] as const;
const ADDRESS = ['line', 'city', 'district', 'state', 'postalCode', 'country', 'text'] as const;

/** Letters that no decomposition turns into a base letter. */
const LETTERS: Readonly<Record<string, string>> = codeTable({
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
});
const PLAIN = /^[a-z0-9 ]*$/;

/** Without case, accents, punctuation and surplus space (R4 search, string): what indexes and comparisons see. */
export function normalise(text: string): string {
  const lower = text.toLowerCase();
  const bare = PLAIN.test(lower)
    ? lower
    : lower
        .normalize('NFKD')
        .toLowerCase()
        .replaceAll(/[\p{M}\p{P}\p{S}]/gu, '')
        .replaceAll(/[ßæœøłđðþı]/g, (letter) => LETTERS[letter] ?? letter);
  return bare.includes(' ') || PLAIN.test(bare) === false ? bare.replaceAll(/\s+/g, ' ').trim() : bare;
}

/** A quantity as searches see it. */
export interface QuantityValue {
  readonly low: number;
  readonly high: number;
  readonly system: string | undefined;
  readonly code: string | undefined;
  readonly unit: string | undefined;
}

/** The quantity in a Quantity (and its kinds), Money, Range or number; undefined when it has no value. */
export function quantityOf(value: unknown, kind: string): QuantityValue | undefined {
  if (kind === 'decimal' || kind === 'integer') {
    const number = numberOf(value);
    return number === undefined
      ? undefined
      : { low: number, high: number, system: undefined, code: undefined, unit: undefined };
  }
  if (!isFields(value)) return undefined;
  if (kind === 'Range') {
    const low = quantityOf(value.low, 'Quantity');
    const high = quantityOf(value.high, 'Quantity');
    const one = low ?? high;
    return one && { ...one, low: low?.low ?? Number.NEGATIVE_INFINITY, high: high?.high ?? Number.POSITIVE_INFINITY };
  }
  const number = numberOf(value.value);
  if (number === undefined || kind === 'SampledData') return undefined;
  if (kind === 'Money') {
    return {
      low: number,
      high: number,
      system: 'urn:iso:std:iso:4217',
      code: textOf(value.currency),
      unit: textOf(value.currency),
    };
  }
  // `<5` may be anything below five (R4 Quantity.comparator).
  const below = value.comparator === '<' || value.comparator === '<=';
  const above = value.comparator === '>' || value.comparator === '>=';
  return {
    low: below ? Number.NEGATIVE_INFINITY : number,
    high: above ? Number.POSITIVE_INFINITY : number,
    system: textOf(value.system),
    code: textOf(value.code),
    unit: textOf(value.unit),
  };
}
