/**
 * NM and SN (HL7 v2 sections 2A.3.45 and 2A.3.70). Numbers keep their text: `1.0` says more than `1`. JSON forbids what
 * NM allows (a plus sign, leading zeros, a bare point), so those are taken off without touching the digits that count.
 */
import { codeTable } from '../../core/code-table.ts';
import { decimal, decimalText, type Decimal } from '../fhir/json.ts';

const NM = /^([+-])?0*(\d*)(?:\.(\d*))?$/;

/** FHIR decimal of NM text: `065.88` -> 65.88, `1.0` -> 1.0, `+.5` -> 0.5. Undefined when it is not a plain number. */
export function parseNm(text: string): Decimal | undefined {
  const match = NM.exec(text);
  if (match === null || !/\d/.test(text)) return undefined;
  const [, sign, whole, fraction] = match;
  const magnitude = `${whole === '' ? '0' : whole}${fraction === undefined || fraction === '' ? '' : `.${fraction}`}`;
  return decimal(sign === '-' && /[1-9]/.test(magnitude) ? `-${magnitude}` : magnitude);
}

/** True where both are numbers and the first is the greater one: no Range (R4 rule rng-2). */
export function isAbove(low: Decimal | undefined, high: Decimal | undefined): boolean {
  return low !== undefined && high !== undefined && Number(decimalText(low)) > Number(decimalText(high));
}

/** The comparators that FHIR Quantity has. */
export type Comparator = '<' | '<=' | '>=' | '>';

/** What senders write for a comparator besides table 0478 of the standard. */
const COMPARATORS: Readonly<Record<string, Comparator>> = codeTable({
  '<': '<',
  '<=': '<=',
  '=<': '<=',
  '≤': '<=',
  '>': '>',
  '>=': '>=',
  '=>': '>=',
  '≥': '>=',
});

const COMPARED = /^([<>=≤≥]{1,2})\s*([+-]?[\d.]+)$/;

/** A number that senders write with its comparator in NM or ST, `<5`, `>= 0.10`; undefined for anything else. */
export function parseCompared(text: string): { comparator: Comparator; value: Decimal } | undefined {
  const match = COMPARED.exec(text);
  const value = match === null ? undefined : parseNm(match[2]);
  const comparator = toComparator(match?.[1]);
  return value === undefined || comparator === undefined ? undefined : { comparator, value };
}

/** SN.1 as a FHIR comparator; undefined for anything that has none: `=` (which FHIR says by leaving it out), `<>`, words. */
export function toComparator(text: string | undefined): Comparator | undefined {
  return COMPARATORS[text ?? ''];
}
