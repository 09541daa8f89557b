/**
 * The real predicate of a search, evaluated on an opened resource (DESIGN section 7: every hit is re-checked; the index only
 * narrows). R4 search semantics: dates as intervals, tokens with their systems, strings from their start.
 */
import { parseReference } from '../formats/fhir/references.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { intervalOf, type Interval } from './dates.ts';
import { visitValues, type ValuePath } from './parameters.ts';
import type { Criterion, Modifier, Operand, SearchQuery } from './query.ts';
import {
  isFields,
  normalise,
  quantityOf,
  visitStrings,
  visitTokens,
  type QuantityValue,
  type TokenValue,
} from './values.ts';

/** True when the resource is of the query's type and satisfies `_id` and every criterion. */
export function matches(resource: Resource, query: SearchQuery): boolean {
  if (resource.resourceType !== query.type) return false;
  if (query.ids !== undefined && (resource.id === undefined || !query.ids.includes(resource.id))) return false;
  return query.criteria.every((criterion) => satisfies(resource, criterion));
}

function satisfies(resource: Resource, criterion: Criterion): boolean {
  const { parameter, missing, modifier, anyOf } = criterion;
  let found = false;
  for (const path of parameter.paths) {
    visitValues(resource, path, (value) => {
      if (found) return;
      found =
        missing === undefined ? anyOf.some((operand) => holds(value, path, operand, modifier)) : isPresent(value, path);
    });
    if (found) break;
  }
  if (missing !== undefined) return found !== missing;
  return modifier === 'not' ? !found : found;
}

function isPresent(value: unknown, path: ValuePath): boolean {
  return path.only === undefined || typeOfReference(value) === path.only;
}

function typeOfReference(value: unknown): string | undefined {
  return isFields(value) && typeof value.reference === 'string' ? parseReference(value.reference)?.type : undefined;
}

function holds(value: unknown, path: ValuePath, operand: Operand, modifier: Modifier | undefined): boolean {
  switch (operand.kind) {
    case 'token': {
      let found = false;
      visitTokens(value, path, (token) => (found ||= tokenHolds(token, operand)));
      return found;
    }
    case 'string': {
      let found = false;
      visitStrings(value, path.kind, (text) => (found ||= stringHolds(text, operand, modifier)));
      return found;
    }
    case 'reference':
      return referenceHolds(value, path, operand);
    case 'uri':
      return (
        typeof value === 'string' &&
        (value === operand.uri || (path.kind === 'canonical' && canonicalHolds(value, operand.uri)))
      );
    case 'date': {
      const interval = intervalOf(value, path.kind);
      return interval !== undefined && dateHolds(interval, operand);
    }
    case 'quantity': {
      const quantity = quantityOf(value, path.kind);
      return quantity !== undefined && quantityHolds(quantity, operand);
    }
  }
}

type Of<Kind extends Operand['kind']> = Extract<Operand, { readonly kind: Kind }>;

function tokenHolds(token: TokenValue, operand: Of<'token'>): boolean {
  switch (operand.form) {
    case 'both':
      return token.code === operand.code && (token.anySystem === true || token.system === operand.system);
    case 'no-system':
      return token.code === operand.code && (token.anySystem === true || token.system === undefined);
    case 'system':
      return token.system === operand.system;
    case 'bare':
      return token.code === operand.code;
  }
}

function stringHolds(text: string, operand: Of<'string'>, modifier: Modifier | undefined): boolean {
  if (modifier === 'exact') return text === operand.raw;
  const seen = normalise(text);
  return modifier === 'contains' ? seen.includes(operand.text) : seen.startsWith(operand.text);
}

/** `Type/id` and `id` name resources of this server; anything else is compared as it stands. */
function referenceHolds(value: unknown, path: ValuePath, operand: Of<'reference'>): boolean {
  if (typeof value === 'string') return value === operand.text || canonicalHolds(value, operand.text);
  if (!isFields(value)) return false;
  const text = path.kind === 'Attachment' ? value.url : value.reference;
  // A contained resource is not known outside of its container.
  if (typeof text !== 'string' || text.startsWith('#')) return false;
  const parsed = parseReference(text);
  if (path.only !== undefined && parsed?.type !== path.only) return false;
  if (operand.id === undefined) return text === operand.text;
  if (parsed?.local !== true || parsed.id !== operand.id) return false;
  return operand.type === undefined || parsed.type === operand.type;
}

/** A canonical without a version matches every version of it. */
function canonicalHolds(value: string, given: string): boolean {
  return !given.includes('|') && value.startsWith(given) && value.charAt(given.length) === '|';
}

/** R4 search 3.1.1.4.5: the search value is a range, and so is what it is compared with. */
function dateHolds(target: Interval, { comparator, interval }: Of<'date'>): boolean {
  const within = target.low >= interval.low && target.high <= interval.high;
  switch (comparator) {
    case 'eq':
      return within;
    case 'ne':
      return !within;
    case 'gt':
      return target.high > interval.high;
    case 'lt':
      return target.low < interval.low;
    case 'ge':
      return target.high > interval.high || within;
    case 'le':
      return target.low < interval.low || within;
    case 'sa':
      return target.low >= interval.high;
    case 'eb':
      return target.high <= interval.low;
  }
}

function quantityHolds(target: QuantityValue, operand: Of<'quantity'>): boolean {
  const { value, code, system } = operand;
  if (code !== undefined) {
    const unit =
      system === undefined
        ? target.code === code || target.unit === code
        : target.code === code && target.system === system;
    if (!unit) return false;
  } else if (system !== undefined && target.system !== system) return false;
  const equal = target.low >= operand.low && target.high < operand.high;
  switch (operand.comparator) {
    case 'eq':
      return equal;
    case 'ne':
      return !equal;
    case 'gt':
      return target.high > value;
    case 'lt':
      return target.low < value;
    case 'ge':
      return target.high >= value;
    case 'le':
      return target.low <= value;
    case 'sa':
      return target.low > value;
    case 'eb':
      return target.high < value;
  }
}
