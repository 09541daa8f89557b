/** XPN, and the name part of XCN, to HumanName (maps XPN[HumanName], FN[HumanName], XCN[Practitioner]). */
import { codeTable } from '../../../core/code-table.ts';
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { compact, extension, periodOf, present, textOf, type Context, type Element } from '../context.ts';

const EXTENSION = 'http://hl7.org/fhir/StructureDefinition/humanname-';
const ASSEMBLY = `${EXTENSION}assembly-order`;

/** FN.2 to FN.5: the parts of a surname, by the extensions that name them. */
const SURNAME_PARTS = ['own-prefix', 'own-name', 'partner-prefix', 'partner-name'];

/** Table 0200, name type, to HumanName.use. Types without a FHIR use have none. */
const NAME_USE: Readonly<Record<string, string>> = codeTable({
  BAD: 'old',
  D: 'usual',
  L: 'official',
  M: 'maiden',
  MSK: 'anonymous',
  N: 'nickname',
  NAV: 'temp',
  NOUSE: 'old',
  R: 'official',
  S: 'anonymous',
  TEMP: 'temp',
});

/** XPN; undefined when it says nothing. */
export function xpnName(context: Context, raw: string, location: string): Element | undefined {
  return nameOf(context, components(raw, context.by), location);
}

function nameOf(context: Context, parts: readonly string[], location: string): Element | undefined {
  const period = validity(context, parts[11], parts[12], parts[9], location);
  return nameFrom(context, {
    family: parts[0],
    given: [parts[1], parts[2]],
    suffix: [parts[3], parts[5], parts[13]],
    prefix: parts[4],
    type: parts[6],
    assembly: parts[10],
    period,
  });
}

/** XPN with XPN.15, by which the person is called, as a name of its own: for elements that have several names. */
export function xpnNames(context: Context, raw: string, location: string): Element[] {
  const parts = components(raw, context.by);
  const name = nameOf(context, parts, location);
  const called = textOf(context, parts[14]);
  return present([name, called === undefined ? undefined : { use: 'nickname', given: [called] }]);
}

/** Name of XCN components (XCN.2 to XCN.7, XCN.10, XCN.17 to XCN.21). */
export function xcnName(context: Context, parts: readonly string[]): Element | undefined {
  return nameFrom(context, {
    family: parts[1],
    given: [parts[2], parts[3]],
    suffix: [parts[4], parts[6], parts[20]],
    prefix: parts[5],
    type: parts[9],
    assembly: parts[17],
    period: parts.length > 16 ? validity(context, parts[18], parts[19], parts[16], 'XCN-19') : undefined,
  });
}

/** Two dates, or the range (DR) of older versions. */
function validity(
  context: Context,
  start: string | undefined,
  end: string | undefined,
  range: string | undefined,
  location: string,
): Element | undefined {
  const period = periodOf(context, start, end, location);
  if (period !== undefined || range === undefined || range === '') return period;
  const [from, to] = subcomponents(range, context.by);
  return periodOf(context, from, to, location);
}

interface NameParts {
  readonly family: string | undefined;
  readonly given: readonly (string | undefined)[];
  readonly suffix: readonly (string | undefined)[];
  readonly prefix: string | undefined;
  readonly type: string | undefined;
  /** Table 0444, in which order the parts are said. */
  readonly assembly: string | undefined;
  readonly period: Element | undefined;
}

function nameFrom(context: Context, parts: NameParts): Element | undefined {
  const [surname, ...surnameParts] = subcomponents(parts.family ?? '', context.by);
  const family = textOf(context, surname);
  const given = present(parts.given.map((raw) => textOf(context, raw)));
  const suffix = present(parts.suffix.map((raw) => textOf(context, raw)));
  const prefix = textOf(context, parts.prefix);
  if (family === undefined && given.length === 0 && prefix === undefined && suffix.length === 0) return undefined;
  const use = NAME_USE[textOf(context, parts.type) ?? ''];
  const assembly = extension(ASSEMBLY, 'valueCode', textOf(context, parts.assembly));
  const named = family === undefined || surnameParts.length === 0 ? [] : partsOfSurname(context, surnameParts);
  return compact({
    extension: assembly === undefined ? undefined : [assembly],
    use,
    family,
    _family: named.length === 0 ? undefined : { extension: named },
    given,
    prefix: prefix === undefined ? undefined : [prefix],
    suffix,
    period: parts.period,
  });
}

function partsOfSurname(context: Context, parts: readonly string[]): Element[] {
  return present(SURNAME_PARTS.map((name, i) => extension(EXTENSION + name, 'valueString', textOf(context, parts[i]))));
}

/** A name as one line of text, for `display`. */
export function nameText(name: Element | undefined): string | undefined {
  if (name === undefined) return undefined;
  const words = [name.prefix, name.given, name.family, name.suffix].flat().filter((word) => typeof word === 'string');
  return words.length === 0 ? undefined : words.join(' ');
}
