/** XAD to Address (maps XAD[Address], SAD[Address], tables AddressType). */
import { codeTable } from '../../../core/code-table.ts';
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { codeOf, compact, extension, periodOf, present, textOf, type Context, type Element } from '../context.ts';
import { V2_TABLE } from './codeable-concept.ts';

const ISO21090 = 'http://hl7.org/fhir/StructureDefinition/iso21090-';
const ALTERNATE_CODES = 'http://hl7.org/fhir/StructureDefinition/alternate-codes';

/** Table 0190 to Address.use. */
const ADDRESS_USE: Readonly<Record<string, string>> = codeTable({
  BA: 'old',
  BI: 'billing',
  C: 'temp',
  B: 'work',
  H: 'home',
  O: 'work',
});
/** Table 0190 to Address.type. */
const ADDRESS_TYPE: Readonly<Record<string, string>> = codeTable({ M: 'postal', SH: 'postal' });

/** Codes of table 0190 that FHIR has none for. */
const OTHER_TYPES = new Set('BDL BR F L N P RH S TM V'.split(' '));

/** XAD; undefined when it says nothing but its type. */
export function xadAddress(context: Context, raw: string, location: string): Element | undefined {
  const parts = components(raw, context.by);
  const text = (n: number): string | undefined => textOf(context, parts[n - 1]);
  const line = present([
    ...subcomponents(parts[0] ?? '', context.by)
      .slice(0, 3)
      .map((part) => textOf(context, part)),
    text(2),
    text(19),
  ]);
  const county = textOf(context, subcomponents(parts[8] ?? '', context.by)[0]);
  const place = compact({
    line,
    city: text(3),
    district: county,
    state: text(4),
    postalCode: text(5),
    country: text(6),
  });
  if (Object.keys(place).length === 0) return undefined;
  const [from, to] = subcomponents(parts[11] ?? '', context.by);
  const period = periodOf(context, parts[12], parts[13], location) ?? periodOf(context, from, to, location);
  const type = codeOf(context, parts[6]) ?? '';
  const [tract] = subcomponents(parts[9] ?? '', context.by);
  const known = ADDRESS_USE[type] ?? ADDRESS_TYPE[type];
  return compact({
    extension: present([
      extension(`${ISO21090}AD-use`, 'valueCode', type === 'HV' ? type : undefined),
      extension(`${ISO21090}ADXP-censusTract`, 'valueString', textOf(context, tract)),
    ]),
    use: ADDRESS_USE[type],
    // Permanent, legal, birth ...: FHIR has no code for them.
    _use: type === '' || type === 'HV' || known !== undefined ? undefined : { extension: [asSent(type)] },
    type: ADDRESS_TYPE[type],
    ...place,
    period,
  });
}

function asSent(code: string): Element {
  const concept = OTHER_TYPES.has(code) ? { coding: [{ system: `${V2_TABLE}0190`, code }] } : { text: code };
  return { url: ALTERNATE_CODES, valueCodeableConcept: concept };
}
