/**
 * Structural validation against R4 (hl7.org/fhir/R4/json.html, the StructureDefinitions): unknown elements, cardinality,
 * data types, choices, required bindings, references, contained resources, narrative, and the invariants of invariants.ts.
 * Each type is compiled to closures at its first use. No profiles, no terminology beyond the listed codes, no look-ups.
 * Messages name places and rules, never values: they may go into logs and answers.
 */
import { choiceProperty, codesOf, elementsOf, PRIMITIVE_TYPES, RESOURCE_TYPES } from './definitions.ts';
import type { ElementDefinition, ElementKind } from './definitions.ts';
import { INVARIANTS, type Fields } from './invariants.ts';
import { PRIMITIVES, type PrimitiveTest } from './primitives.ts';

/** One finding. Only a resource without errors may be stored. */
export interface Issue {
  readonly severity: 'error' | 'warning';
  /** FHIR issue type (http://hl7.org/fhir/issue-type). */
  readonly code: 'structure' | 'required' | 'value' | 'invariant' | 'code-invalid' | 'not-found';
  /** FHIRPath of the element, with indexes of repeating ones: `Observation.component[1].code`. No values. */
  readonly expression: string;
  /** What is wrong and what would be right; no values of the resource. */
  readonly diagnostics: string;
}

export interface ValidateOptions {
  /** The type that is expected; another one is an error. */
  readonly type?: string;
  /** True: references may also be searches (`Patient?identifier=...`), as in a transaction before it is resolved. */
  readonly conditionalReferences?: boolean;
}

/** Findings after which a resource is not looked at any further. */
const MAX_ISSUES = 50;

/** The walk through one resource: where it is, what it found. Holds state, since paths are built only for findings. */
interface Walk {
  readonly trail: (string | number)[];
  readonly issues: Issue[];
  readonly conditional: boolean;
  /** Ids of the contained resources of the container, and which of them something refers to; undefined without any. */
  contained: Map<string, boolean> | undefined;
  /** Id of the contained resource that is being looked at. */
  inside: string | undefined;
}

type Check = (value: unknown, walk: Walk) => void;

/** A JSON property of an object type. */
interface Property {
  readonly name: string;
  readonly array: boolean;
  readonly max: number;
  readonly check: Check;
  /** The value is a primitive: nulls may stand in its array, and `_name` beside it. */
  readonly primitive: boolean;
  /** This is the `_name` property of a primitive. */
  readonly companion: boolean;
  /** Bit of a required element; 0 for an optional one. */
  readonly required: number;
  /** Bit of a choice element; 0 for others. */
  readonly choice: number;
  readonly json: string;
}

interface ObjectType {
  readonly properties: ReadonlyMap<string, Property>;
  readonly required: readonly { readonly bit: number; readonly name: string }[];
  readonly requiredMask: number;
  readonly resource: boolean;
  /** What stands beside a primitive, in `_name`: an id alone says something there. */
  readonly companion: boolean;
  readonly rules: (typeof INVARIANTS)[string];
}

/**
 * Findings about a resource in parsed JSON (decimals may be `FhirDecimal`); empty when it is valid R4. Never throws, never
 * changes its input.
 */
export function validateResource(resource: unknown, options: ValidateOptions = {}): readonly Issue[] {
  const walk: Walk = {
    trail: [],
    issues: [],
    conditional: options.conditionalReferences === true,
    contained: undefined,
    inside: undefined,
  };
  checkResource(resource, walk, options.type);
  return walk.issues;
}

function report(walk: Walk, code: Issue['code'], diagnostics: string, severity: Issue['severity'] = 'error'): void {
  if (walk.issues.length >= MAX_ISSUES) return;
  let expression = '';
  for (const part of walk.trail) {
    if (typeof part === 'number') expression += `[${part}]`;
    else expression += expression === '' ? part : `.${part}`;
  }
  walk.issues.push({ severity, code, expression: expression === '' ? 'Resource' : expression, diagnostics });
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole resource: the root, an entry of a Bundle, a parameter. It is the container of what it contains. */
function checkResource(value: unknown, walk: Walk, expected?: string): void {
  const type = resourceTypeOf(value, walk);
  if (type === undefined || !isObject(value)) return;
  const root = walk.trail.length === 0;
  if (root) walk.trail.push(type);
  if (expected !== undefined && type !== expected) {
    report(walk, 'structure', `resourceType must be ${expected} here`);
  }
  const outer = walk.contained;
  const inside = walk.inside;
  walk.contained = value.contained === undefined ? undefined : containedIds(value.contained);
  walk.inside = undefined;
  checkObject(objectType(type), value, walk);
  for (const [id, used] of walk.contained ?? []) {
    if (!used && id !== '') {
      report(walk, 'invariant', 'dom-3: a contained resource must be referred to from, or refer to, its container');
      break;
    }
  }
  walk.contained = outer;
  walk.inside = inside;
  if (root) walk.trail.pop();
}

function resourceTypeOf(value: unknown, walk: Walk): string | undefined {
  if (!isObject(value)) {
    report(walk, 'structure', 'a resource must be a JSON object');
    return undefined;
  }
  const type = value.resourceType;
  if (typeof type === 'string' && RESOURCE_TYPES.has(type)) return type;
  report(walk, type === undefined ? 'required' : 'structure', 'resourceType must be the name of an R4 resource type');
  return undefined;
}

function containedIds(contained: unknown): Map<string, boolean> {
  const ids = new Map<string, boolean>();
  for (const resource of Array.isArray(contained) ? (contained as readonly unknown[]) : []) {
    if (isObject(resource) && typeof resource.id === 'string') ids.set(resource.id, false);
  }
  return ids;
}

/** A contained resource (R4 references.html#contained, dom-2 to dom-5). */
function checkContained(value: unknown, walk: Walk): void {
  const type = resourceTypeOf(value, walk);
  if (type === undefined || !isObject(value)) return;
  if (walk.inside !== undefined || value.contained !== undefined) {
    report(walk, 'invariant', 'dom-2: a contained resource must not contain resources');
    return;
  }
  if (value.id === undefined) report(walk, 'required', 'a contained resource needs an id');
  const meta = isObject(value.meta) ? value.meta : {};
  if (meta.versionId !== undefined || meta.lastUpdated !== undefined) {
    report(walk, 'invariant', 'dom-4: a contained resource must not have meta.versionId or meta.lastUpdated');
  }
  if (meta.security !== undefined)
    report(walk, 'invariant', 'dom-5: a contained resource must not have a security label');
  walk.inside = typeof value.id === 'string' ? value.id : '';
  checkObject(objectType(type), value, walk);
  walk.inside = undefined;
}

function checkObject(type: ObjectType, value: Fields, walk: Walk): void {
  const { properties } = type;
  const { trail } = walk;
  let required = 0;
  let choices = 0;
  let content = false;
  for (const key in value) {
    const child = value[key];
    if (child === undefined) continue;
    const property = properties.get(key);
    if (property === undefined) {
      if (type.resource && key === 'resourceType') continue;
      trail.push(/^_?[a-zA-Z][A-Za-z0-9]{0,63}$/.test(key) ? key : '(element)');
      report(walk, 'structure', 'R4 has no such element here');
      trail.pop();
      continue;
    }
    if (type.companion || key !== 'id') content = true;
    required |= property.required;
    if (property.choice !== 0) {
      if ((choices & property.choice) !== 0) checkChoice(type, property, value, walk);
      choices |= property.choice;
    }
    trail.push(property.name);
    if (property.array) checkArray(property, child, value, walk);
    else if (child === null) report(walk, 'structure', 'null is not allowed here: leave the element out');
    else {
      property.check(child, walk);
      if (property.companion && value[property.json] === undefined) checkAlone(child, walk);
    }
    trail.pop();
  }
  if (!content && !type.resource) report(walk, 'invariant', 'ele-1: an element needs a value or children');
  if (required !== type.requiredMask) reportMissing(type, required, walk);
  if (type.rules !== undefined) {
    for (const rule of type.rules) {
      if (!rule.holds(value)) report(walk, 'invariant', `${rule.key}: ${rule.demands}`, rule.severity ?? 'error');
    }
  }
}

function reportMissing(type: ObjectType, seen: number, walk: Walk): void {
  for (const { bit, name } of type.required) {
    if ((seen & bit) !== 0) continue;
    walk.trail.push(name);
    report(walk, 'required', 'this element is required');
    walk.trail.pop();
  }
}

/** A second property of one choice element: allowed only as the `_name` of the first. */
function checkChoice(type: ObjectType, property: Property, value: Fields, walk: Walk): void {
  const kinds = new Set<string>();
  for (const key in value) {
    const other = type.properties.get(key);
    if (other?.choice === property.choice && value[key] !== undefined) kinds.add(other.json);
  }
  if (kinds.size < 2) return;
  walk.trail.push(property.name);
  report(walk, 'structure', 'only one type of this element may be given');
  walk.trail.pop();
}

function checkArray(property: Property, value: unknown, parent: Fields, walk: Walk): void {
  if (!Array.isArray(value)) {
    report(walk, 'structure', 'this element repeats: it must be a JSON array');
    return;
  }
  const items = value as readonly unknown[];
  if (items.length === 0) report(walk, 'structure', 'an array must not be empty: leave the element out');
  if (items.length > property.max) report(walk, 'structure', `at most ${property.max} entries are allowed`);
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at];
    walk.trail.push(at);
    if (item !== null && item !== undefined) {
      property.check(item, walk);
      if (property.companion && !hasTwin(property, parent, at)) checkAlone(item, walk);
    } else if (!property.primitive || !hasTwin(property, parent, at)) {
      report(walk, 'structure', 'null is not allowed here');
    }
    walk.trail.pop();
  }
}

/** What stands beside a primitive that has no value itself must say more than an id (ele-1). */
function checkAlone(companion: unknown, walk: Walk): void {
  if (isObject(companion) && companion.extension === undefined) {
    report(walk, 'invariant', 'ele-1: an element needs a value or children');
  }
}

/** True when the array beside (`given` and `_given`) has something at this position (R4 json.html#null). */
function hasTwin(property: Property, parent: Fields, at: number): boolean {
  const twin = parent[property.companion ? property.json : `_${property.json}`];
  return Array.isArray(twin) && twin[at] !== null && twin[at] !== undefined;
}

const objectTypes = new Map<string, ObjectType>();

function objectType(name: string): ObjectType {
  const known = objectTypes.get(name);
  if (known !== undefined) return known;
  const properties = new Map<string, Property>();
  const required: { bit: number; name: string }[] = [];
  let choices = 0;
  const type: { -readonly [K in keyof ObjectType]: ObjectType[K] } = {
    properties,
    required,
    requiredMask: 0,
    resource: RESOURCE_TYPES.has(name),
    companion: name === 'Element',
    rules: INVARIANTS[name] ?? [],
  };
  objectTypes.set(name, type);
  for (const element of elementsOf(name) ?? []) {
    const bit = element.min > 0 ? 1 << required.length : 0;
    if (bit !== 0) required.push({ bit, name: element.name });
    const choice = element.choice ? 1 << choices++ : 0;
    for (const kind of element.kinds) addProperties(properties, element, kind, bit, choice);
  }
  type.requiredMask = required.reduce((mask, { bit }) => mask | bit, 0);
  return type;
}

function addProperties(
  properties: Map<string, Property>,
  element: ElementDefinition,
  kind: ElementKind,
  required: number,
  choice: number,
): void {
  const json = element.choice ? choiceProperty(element.name, kind.name) : element.name;
  const primitive = PRIMITIVE_TYPES.has(kind.name);
  const array = element.max > 1;
  const check = element.name === 'contained' ? checkContained : checkOf(element, kind);
  const base = { name: element.name, array, max: element.max, primitive, required, choice, json };
  properties.set(json, { ...base, check, companion: false });
  if (primitive) properties.set(`_${json}`, { ...base, check: objectCheck('Element'), companion: true });
}

function checkOf(element: ElementDefinition, kind: ElementKind): Check {
  const { name } = kind;
  if (PRIMITIVE_TYPES.has(name)) return primitiveCheck(name, element.valueSet);
  if (name === 'Resource') return (value, walk) => checkResource(value, walk);
  if (name === 'Reference') return referenceCheck(new Set(kind.targets));
  const check = objectCheck(name);
  if (element.valueSet === undefined) return check;
  return bindingCheck(check, name, element.valueSet);
}

/** Checks an object of a type that is compiled when it is first met: types refer to each other in circles. */
function objectCheck(name: string): Check {
  let type: ObjectType | undefined;
  return (value, walk) => {
    if (isObject(value)) checkObject((type ??= objectType(name)), value, walk);
    else
      report(
        walk,
        'structure',
        Array.isArray(value)
          ? 'this element does not repeat: it must not be an array'
          : `must be a JSON object (${article(name)})`,
      );
  };
}

function article(name: string): string {
  return name.includes('.') ? 'a group of elements' : /^[AEIOU]/.test(name) ? `an ${name}` : `a ${name}`;
}

const LINKS: ReadonlySet<string> = new Set(['uri', 'url', 'canonical']);

function primitiveCheck(name: string, valueSet: string | undefined): Check {
  const test: PrimitiveTest | undefined = PRIMITIVES[name];
  if (test === undefined) throw new Error(`no test of the primitive type ${name}`);
  const codes =
    valueSet === undefined ? undefined : new Set([...codesOf(valueSet).values()].flatMap((set) => [...set]));
  const link = LINKS.has(name);
  return (value, walk) => {
    if (!test(value)) {
      const array = Array.isArray(value)
        ? 'this element does not repeat: it must not be an array'
        : `not a valid ${name}`;
      report(walk, Array.isArray(value) ? 'structure' : 'value', array);
      return;
    }
    if (link && typeof value === 'string' && value.startsWith('#')) noteUse(value, walk);
    if (codes !== undefined && codes.size > 0 && typeof value === 'string' && !codes.has(value)) {
      report(walk, 'code-invalid', `not a code of the required value set ${valueSet}`);
    }
  };
}

/** A required binding of a Coding, CodeableConcept or Quantity: one coding must be of the value set. */
function bindingCheck(check: Check, kind: string, valueSet: string): Check {
  const lists = codesOf(valueSet);
  const isMember = (coding: unknown): boolean =>
    isObject(coding) &&
    typeof coding.system === 'string' &&
    typeof coding.code === 'string' &&
    lists.get(coding.system)?.has(coding.code) === true;
  return (value, walk) => {
    check(value, walk);
    if (!isObject(value) || lists.size === 0) return;
    const codings = kind === 'CodeableConcept' ? value.coding : [value];
    // A Quantity without a code says its unit in words.
    if (kind !== 'CodeableConcept' && kind !== 'Coding' && value.code === undefined) return;
    if (!Array.isArray(codings) || !codings.some(isMember)) {
      report(walk, 'code-invalid', `no code of the required value set ${valueSet}`);
    }
  };
}

/** Marks a contained resource as referred to; a `#` alone means the container, from within. */
function noteUse(reference: string, walk: Walk): boolean {
  const contained = walk.contained;
  if (reference === '#') {
    if (walk.inside === undefined) return false;
    contained?.set(walk.inside, true);
    return true;
  }
  const id = reference.slice(1);
  if (contained?.has(id) !== true) return false;
  if (id !== walk.inside) contained.set(id, true);
  return true;
}

const RELATIVE = /^([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const ABSOLUTE = /^(?:https?|ftp|mllp|cid|mid):\S+$/;
const ABSOLUTE_TYPE = /\/([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const URN = /^urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-2](?:\.\d+)+|[a-z0-9][a-z0-9-]{0,31}:\S+)$/;
const CONDITIONAL = /^([A-Z][A-Za-z]+)\?\S+$/;

function referenceCheck(targets: ReadonlySet<string>): Check {
  const check = objectCheck('Reference');
  const allowed = targets.size === 0 ? undefined : targets;
  return (value, walk) => {
    check(value, walk);
    if (!isObject(value)) return;
    if (typeof value.type === 'string' && RESOURCE_TYPES.has(value.type) && allowed?.has(value.type) === false) {
      report(walk, 'structure', `must refer to ${[...targets].join(', ')}`);
    }
    const { reference } = value;
    if (typeof reference !== 'string') return;
    const type = referencedType(reference, walk);
    if (type === undefined) {
      walk.trail.push('reference');
      if (reference.startsWith('#')) report(walk, 'invariant', 'ref-1: no contained resource has this id');
      else report(walk, 'value', 'must be Type/id, an absolute URL, a URN, or # and the id of a contained resource');
      walk.trail.pop();
    } else if (type !== '' && allowed?.has(type) === false) {
      report(walk, 'structure', `must refer to ${[...targets].join(', ')}`);
    }
  };
}

/** The resource type that a reference names, '' where it does not say; undefined when it is malformed. */
function referencedType(reference: string, walk: Walk): string | undefined {
  const relative = RELATIVE.exec(reference);
  if (relative !== null) return RESOURCE_TYPES.has(relative[1]) ? relative[1] : undefined;
  if (reference.startsWith('#')) return noteUse(reference, walk) ? '' : undefined;
  if (URN.test(reference)) return '';
  if (ABSOLUTE.test(reference)) {
    const type = ABSOLUTE_TYPE.exec(reference)?.[1] ?? '';
    return RESOURCE_TYPES.has(type) ? type : '';
  }
  const conditional = walk.conditional ? CONDITIONAL.exec(reference)?.[1] : undefined;
  return conditional !== undefined && RESOURCE_TYPES.has(conditional) ? conditional : undefined;
}
