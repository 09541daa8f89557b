/** The OBX behind RXA that are elements of Immunization, by their LOINC codes; the rest are Observations that are part of it. */
import { parseDtm, toFhirDateTime } from '../../formats/hl7v2/dtm.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { compact, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import type { ObservationGroup } from './observation.ts';

const ELIGIBILITY = '64994-7';
const FUNDING = '30963-3';
const VACCINE_TYPE = '30956-7';
const DOCUMENT_TYPE = '69764-9';
const PUBLISHED = '29768-9';
const PRESENTED = '29769-7';
const DOSE_NUMBER = '30973-2';
const EDUCATION = new Set([VACCINE_TYPE, DOCUMENT_TYPE, PUBLISHED, PRESENTED]);

/** What the OBX of a vaccination come to. */
export interface ImmunizationFacts {
  readonly elements: Element;
  readonly others: readonly ObservationGroup[];
}

/** Sorts the OBX of one vaccination. Information statements belong together by OBX-4. */
export function immunizationFacts(context: Context, observations: readonly ObservationGroup[]): ImmunizationFacts {
  const programEligibility: Element[] = [];
  let fundingSource: Element | undefined;
  let doseNumber: string | undefined;
  const statements = new Map<string, ObservationGroup[]>();
  const others: ObservationGroup[] = [];
  for (const observation of observations) {
    const { obx } = observation;
    const code = codeOfObx(context, observation);
    const withdrawn = ['D', 'W', 'X'].includes(firstOf(context, obx.field(11)) ?? '');
    const value = conceptOf(context, obx.field(5));
    if (withdrawn || value === undefined) others.push(observation);
    else if (code === ELIGIBILITY) programEligibility.push(value);
    else if (code === FUNDING && fundingSource === undefined) fundingSource = value;
    else if (code === DOSE_NUMBER && doseNumber === undefined) doseNumber = firstOf(context, obx.field(5));
    else if (EDUCATION.has(code)) {
      const subId = textOf(context, obx.field(4)) ?? '';
      statements.set(subId, [...(statements.get(subId) ?? []), observation]);
    } else others.push(observation);
  }
  const education: Element[] = [];
  for (const statement of statements.values()) {
    const element = educationOf(context, statement);
    // R4 rule imm-1: without a document there is no education to speak of.
    if (element === undefined) others.push(...statement);
    else education.push(element);
  }
  const protocolApplied = doseOf(doseNumber);
  return { elements: compact({ programEligibility, fundingSource, education, protocolApplied }), others };
}

function codeOfObx(context: Context, { obx }: ObservationGroup): string {
  const parts = components(obx.field(3), context.by);
  return textOf(context, parts[2]) === 'LN' ? (textOf(context, parts[0]) ?? '') : '';
}

function educationOf(context: Context, statement: readonly ObservationGroup[]): Element | undefined {
  const find = (code: string): string =>
    statement.find((observation) => codeOfObx(context, observation) === code)?.obx.field(5) ?? '';
  const words = (raw: string): string | undefined => {
    const parts = components(raw, context.by);
    return textOf(context, parts[1]) ?? textOf(context, parts[0]);
  };
  const date = (raw: string): string | undefined => {
    const value = parseDtm(firstOf(context, raw) ?? '');
    return value === undefined ? undefined : toFhirDateTime(value, context.zone);
  };
  const documentType = words(find(DOCUMENT_TYPE)) ?? words(find(VACCINE_TYPE));
  if (documentType === undefined) return undefined;
  return compact({ documentType, publicationDate: date(find(PUBLISHED)), presentationDate: date(find(PRESENTED)) });
}

function doseOf(text: string | undefined): Element[] {
  if (text === undefined) return [];
  return present([/^[1-9]\d?$/.test(text) ? { doseNumberPositiveInt: Number(text) } : { doseNumberString: text }]);
}
