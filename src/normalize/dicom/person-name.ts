/** PN (PS3.5 section 6.2.1.1) to HumanName: component groups alphabetic, ideographic, phonetic; components by `^`. */

export interface HumanName {
  readonly use?: 'usual';
  readonly text?: string;
  readonly family?: string;
  readonly given?: readonly string[];
  readonly prefix?: readonly string[];
  readonly suffix?: readonly string[];
  readonly extension?: readonly { readonly url: string; readonly valueCode: string }[];
}

/** HL7's extension that says how a name is written: ABC alphabetic, IDE ideographic, SYL phonetic. */
const REPRESENTATION = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';
const GROUPS = ['ABC', 'IDE', 'SYL'] as const;

function words(component: string | undefined): readonly string[] {
  return component === undefined ? [] : component.split(/\s+/).filter((word) => word !== '');
}

function nameOf(group: string): HumanName | undefined {
  const [family = '', given, middle, prefix, suffix] = group.split('^').map((component) => component.trim());
  const givens = [...words(given), ...words(middle)];
  const name: HumanName = {
    ...(family === '' ? {} : { family }),
    ...(givens.length === 0 ? {} : { given: givens }),
    ...(prefix === undefined || prefix === '' ? {} : { prefix: [prefix] }),
    ...(suffix === undefined || suffix === '' ? {} : { suffix: [suffix] }),
  };
  return Object.keys(name).length === 0 ? undefined : name;
}

/** The names of a PN's first value: one for each component group that says something. */
export function humanNames(pn: string | undefined): HumanName[] {
  const groups = (pn ?? '').split('\\', 1)[0]?.split('=') ?? [];
  return groups.flatMap((group, i) => {
    const name = nameOf(group);
    const representation = GROUPS[i];
    if (name === undefined || representation === undefined) return [];
    const extension = groups.length > 1 ? { extension: [{ url: REPRESENTATION, valueCode: representation }] } : {};
    return [{ use: 'usual' as const, ...name, ...extension }];
  });
}

/** A PN as one line of text, `Dr. Max Muster`; undefined when it says nothing. */
export function displayName(pn: string | undefined): string | undefined {
  const [name] = humanNames(pn);
  if (name === undefined) return undefined;
  return [...(name.prefix ?? []), ...(name.given ?? []), name.family, ...(name.suffix ?? [])]
    .filter((part) => part !== undefined)
    .join(' ');
}
