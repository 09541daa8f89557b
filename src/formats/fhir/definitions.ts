/**
 * The R4 (4.0.1) element definitions as compiled by tools/compile-fhir.js: every resource and data type, its elements with
 * cardinality, types and reference targets, and the code lists of required bindings. Read once, parsed type by type.
 */
import { createRequire } from 'node:module';

/** One data type that an element may have. */
export interface ElementKind {
  /** `string`, `CodeableConcept`, `Reference` ..., or the path of a backbone element: `Observation.component`. */
  readonly name: string;
  /** Resource types that a Reference may name; empty: any. */
  readonly targets: readonly string[];
}

export interface ElementDefinition {
  /** Without `[x]`. */
  readonly name: string;
  /** True for `value[x]`: the JSON property is the name and the capitalised type. */
  readonly choice: boolean;
  readonly min: number;
  /** Infinity for `*`; an element of more than one is a JSON array. */
  readonly max: number;
  readonly kinds: readonly ElementKind[];
  /** Value set of a required binding whose codes are listed. */
  readonly valueSet: string | undefined;
}

interface Digest {
  readonly version: string;
  readonly primitives: string;
  readonly resources: string;
  readonly types: Readonly<Record<string, readonly string[]>>;
  readonly codes: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const digest = createRequire(import.meta.url)('./definitions.generated.json') as Digest;

/** FHIR version of the definitions: `4.0.1`. */
export const FHIR_VERSION: string = digest.version;
/** Every concrete R4 resource type. */
export const RESOURCE_TYPES: ReadonlySet<string> = new Set(digest.resources.split(' '));
/** Every primitive data type, `xhtml` included. */
export const PRIMITIVE_TYPES: ReadonlySet<string> = new Set(digest.primitives.split(' '));

function parseKind(text: string): ElementKind {
  const open = text.indexOf('(');
  if (open < 0) return { name: text.startsWith('#') ? text.slice(1) : text, targets: [] };
  return { name: text.slice(0, open), targets: text.slice(open + 1, -1).split('|') };
}

function parseElement(line: string): ElementDefinition {
  const [label = '', cardinality = '', ...rest] = line.split(' ');
  const [min, max] = cardinality.split('..');
  const choice = label.endsWith('[x]');
  return {
    name: choice ? label.slice(0, -3) : label,
    choice,
    min: Number(min),
    max: max === '*' ? Number.POSITIVE_INFINITY : Number(max),
    kinds: rest.filter((part) => !part.startsWith('!')).map(parseKind),
    valueSet: rest.find((part) => part.startsWith('!'))?.slice(1),
  };
}

const elements = new Map<string, readonly ElementDefinition[]>();

/** Elements of a type or backbone element, inherited ones first; undefined for a name that R4 does not have. */
export function elementsOf(type: string): readonly ElementDefinition[] | undefined {
  const known = elements.get(type);
  if (known !== undefined) return known;
  // A profile that R4 uses as a type: the same elements, one invariant more.
  if (type === 'SimpleQuantity') return elementsOf('Quantity');
  const lines = Object.hasOwn(digest.types, type) ? digest.types[type] : undefined;
  if (lines === undefined) return undefined;
  const base = baseOf(type);
  const own = lines.filter((line) => !line.startsWith('< ')).map(parseElement);
  const all = [...((base === undefined ? undefined : elementsOf(base)) ?? []), ...own];
  elements.set(type, all);
  return all;
}

/** The type that this one specialises: `DomainResource` of `Observation`; undefined at the root. */
export function baseOf(type: string): string | undefined {
  const first = Object.hasOwn(digest.types, type) ? digest.types[type]?.[0] : undefined;
  return first?.startsWith('< ') ? first.slice(2) : undefined;
}

/** Every type name of the digest: resources, data types, backbone elements. */
export const TYPE_NAMES: readonly string[] = Object.keys(digest.types);

const codeLists = new Map<string, ReadonlyMap<string, ReadonlySet<string>>>();

/** Codes of a value set by system; empty when its codes are not listed. */
export function codesOf(valueSet: string): ReadonlyMap<string, ReadonlySet<string>> {
  let found = codeLists.get(valueSet);
  if (found === undefined) {
    const lists = Object.hasOwn(digest.codes, valueSet) ? digest.codes[valueSet] : {};
    found = new Map(Object.entries(lists ?? {}).map(([system, codes]) => [system, new Set(codes.split(' '))]));
    codeLists.set(valueSet, found);
  }
  return found;
}

/** JSON property name of a choice element for one of its types: `value` and `Quantity` give `valueQuantity`. */
export function choiceProperty(name: string, kind: string): string {
  const type = kind === 'SimpleQuantity' ? 'Quantity' : kind;
  return `${name}${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}
