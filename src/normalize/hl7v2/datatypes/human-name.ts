/** XPN, and the name part of XCN, to HumanName (map XPN[HumanName]). */
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { compact, periodOf, present, textOf, type Context, type Element } from '../context.ts';

/** Table 0200, name type, to HumanName.use. Types without a FHIR use have none. */
const NAME_USE: Readonly<Record<string, string>> = {
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
};

/** XPN; undefined when it says nothing. */
export function xpnName(context: Context, raw: string, location: string): Element | undefined {
  const parts = components(raw, context.by);
  const period =
    periodOf(context, parts[11], parts[12], location) ??
    (parts[9] === undefined || parts[9] === ''
      ? undefined
      : periodOf(context, ...rangeOf(context, parts[9]), location));
  return nameFrom(context, {
    family: parts[0],
    given: [parts[1], parts[2]],
    suffix: [parts[3], parts[5], parts[13]],
    prefix: parts[4],
    type: parts[6],
    period,
  });
}

/** Name of XCN components (XCN.2 to XCN.7 and XCN.10). */
export function xcnName(context: Context, parts: readonly string[]): Element | undefined {
  return nameFrom(context, {
    family: parts[1],
    given: [parts[2], parts[3]],
    suffix: [parts[4], parts[6], parts[20]],
    prefix: parts[5],
    type: parts[9],
    period: undefined,
  });
}

function rangeOf(context: Context, raw: string): [string | undefined, string | undefined] {
  const [start, end] = subcomponents(raw, context.by);
  return [start, end];
}

interface NameParts {
  readonly family: string | undefined;
  readonly given: readonly (string | undefined)[];
  readonly suffix: readonly (string | undefined)[];
  readonly prefix: string | undefined;
  readonly type: string | undefined;
  readonly period: Element | undefined;
}

function nameFrom(context: Context, parts: NameParts): Element | undefined {
  // FN: the first subcomponent is the surname; the others name its parts again.
  const family = textOf(context, subcomponents(parts.family ?? '', context.by)[0]);
  const given = present(parts.given.map((raw) => textOf(context, raw)));
  const suffix = present(parts.suffix.map((raw) => textOf(context, raw)));
  const prefix = textOf(context, parts.prefix);
  if (family === undefined && given.length === 0 && prefix === undefined && suffix.length === 0) return undefined;
  const use = NAME_USE[textOf(context, parts.type) ?? ''];
  return compact({
    use,
    family,
    given,
    prefix: prefix === undefined ? undefined : [prefix],
    suffix,
    period: parts.period,
  });
}

/** A name as one line of text, for `display`. */
export function nameText(name: Element | undefined): string | undefined {
  if (name === undefined) return undefined;
  const words = [name.prefix, name.given, name.family, name.suffix].flat().filter((word) => typeof word === 'string');
  return words.length === 0 ? undefined : words.join(' ');
}
