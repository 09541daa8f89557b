/** Fields of PID and PD1 that are extensions of Patient (maps PID[Patient], PD1[Patient]; US Core for PID-10 and PID-22). */
import { codeTable } from '../../core/code-table.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { codeOf, compact, extension, firstOf, present, type Context, type Element } from './context.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { RELIGION } from './vocabulary.ts';

const CORE = 'http://hl7.org/fhir/StructureDefinition/';

/** Race and ethnicity of US Core, religion, birthplace, citizenship, nationality and their kin, in one order. */
export function patientExtensions(context: Context, pid: Segment, pd1: Segment | undefined): Element[] {
  const citizenship = present(
    [26, 39].flatMap((field) =>
      repetitions(pid.field(field), context.by).map((raw) =>
        conceptOf(context, raw, field === 26 ? `${V2_TABLE}0171` : undefined),
      ),
    ),
  );
  const nationality = conceptOf(context, pid.field(28), `${V2_TABLE}0212`);
  return present([
    usCore(context, 'us-core-race', pid.field(10), OMB_RACES),
    usCore(context, 'us-core-ethnicity', pid.field(22), OMB_ETHNICITIES),
    extension(`${CORE}patient-mothersMaidenName`, 'valueString', firstOf(context, pid.field(6))),
    extension(
      `${CORE}patient-religion`,
      'valueCodeableConcept',
      tableConcept(context, pid.field(17), '0006', RELIGION),
    ),
    birthPlace(firstOf(context, pid.field(23))),
    ...citizenship.map((code) => ({
      url: `${CORE}patient-citizenship`,
      extension: [{ url: 'code', valueCodeableConcept: code }],
    })),
    nationality === undefined
      ? undefined
      : {
          url: `${CORE}patient-nationality`,
          extension: [{ url: 'code', valueCodeableConcept: nationality }],
        },
    animal(context, pid),
    extension(
      `${CORE}patient-disability`,
      'valueCodeableConcept',
      conceptOf(context, pd1?.field(6), `${V2_TABLE}0295`),
    ),
    extension(`${CORE}patient-congregation`, 'valueString', firstOf(context, pd1?.field(14))),
  ]);
}

/** PID-35 and PID-36: species and breed of a patient that is an animal. */
function animal(context: Context, pid: Segment): Element | undefined {
  const parts = present([
    extension('species', 'valueCodeableConcept', conceptOf(context, pid.field(35), `${V2_TABLE}0446`)),
    extension('breed', 'valueCodeableConcept', conceptOf(context, pid.field(36), `${V2_TABLE}0447`)),
  ]);
  return parts.length === 0 ? undefined : { url: `${CORE}patient-animal`, extension: parts };
}

function birthPlace(text: string | undefined): Element | undefined {
  return text === undefined ? undefined : { url: `${CORE}patient-birthPlace`, valueAddress: { text } };
}

const RACE_CODES = 'urn:oid:2.16.840.1.113883.6.238';
const OMB_RACES = new Set(['1002-5', '2028-9', '2054-5', '2076-8', '2106-3']);
const OMB_ETHNICITIES = new Set(['2135-2', '2186-5']);
/** Table 0189 to the codes of CDC Race and Ethnicity. */
const ETHNICITY: Readonly<Record<string, readonly [string, string]>> = codeTable({
  H: ['2135-2', 'Hispanic or Latino'],
  N: ['2186-5', 'Not Hispanic or Latino'],
});

/** US Core race or ethnicity, where the codes are those of CDC; other codes stay as text. */
function usCore(context: Context, name: string, raw: string, categories: ReadonlySet<string>): Element | undefined {
  const parts: Element[] = [];
  const texts: string[] = [];
  for (const repetition of repetitions(raw, context.by)) {
    const [code, text] = components(repetition, context.by).map((part) => codeOf(context, part));
    const known = name === 'us-core-ethnicity' ? ETHNICITY[code ?? ''] : undefined;
    const value = known?.[0] ?? code;
    const display = text ?? known?.[1];
    if (display ?? value) texts.push(display ?? value ?? '');
    if (value === undefined || !/^\d{4}-\d$/.test(value)) continue;
    const coding = compact({ system: RACE_CODES, code: value, display });
    parts.push({ url: categories.has(value) ? 'ombCategory' : 'detailed', valueCoding: coding });
  }
  if (texts.length === 0) return undefined;
  return {
    url: `http://hl7.org/fhir/us/core/StructureDefinition/${name}`,
    extension: [...parts, { url: 'text', valueString: texts.join(', ') }],
  };
}
