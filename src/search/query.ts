/**
 * A search URL's parameters as a typed query (R4 search). What is not supported is a returned error that names the
 * parameter, never something that is silently left out. Pure; values stay in the query and never reach a message.
 */
import { parseLogicalId } from '../core/ids.ts';
import { SEARCH_DEFAULT_COUNT, SEARCH_MAX_COUNT } from '../core/limits.ts';
import { RESOURCE_TYPES } from '../formats/fhir/definitions.ts';
import { parseReference } from '../formats/fhir/references.ts';
import { parseInterval, type Interval } from './dates.ts';
import { parametersOf, type SearchParameter } from './parameters.ts';
import { supportOf, type Support } from './support.ts';
import { normalise } from './values.ts';

export type Comparator = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb';

/** One of the comma-separated values of a criterion. */
export type Operand =
  | {
      readonly kind: 'token';
      readonly form: 'both' | 'bare' | 'no-system' | 'system';
      readonly system: string;
      readonly code: string;
    }
  | { readonly kind: 'string'; readonly text: string; readonly raw: string }
  | {
      readonly kind: 'reference';
      readonly type: string | undefined;
      readonly id: string | undefined;
      readonly text: string;
    }
  | { readonly kind: 'uri'; readonly uri: string }
  | { readonly kind: 'date'; readonly comparator: Comparator; readonly interval: Interval }
  | {
      readonly kind: 'quantity';
      readonly comparator: Comparator;
      readonly value: number;
      /** What `eq` matches: from `low` to below `high`, half a unit of the last digit given around the value. */
      readonly low: number;
      readonly high: number;
      readonly system: string | undefined;
      readonly code: string | undefined;
    };

export type Modifier = 'exact' | 'contains' | 'not';

/** One parameter of the URL: it holds when any operand does. Repeated parameters are several criteria, all of which must hold. */
export interface Criterion {
  readonly parameter: SearchParameter;
  readonly support: Support;
  readonly modifier: Modifier | undefined;
  /** `:missing`: true for resources without a value, false for those with one; there are no operands then. */
  readonly missing: boolean | undefined;
  readonly anyOf: readonly Operand[];
}

export interface SearchQuery {
  readonly type: string;
  /** Logical ids that `_id` allows; undefined when it is not given. */
  readonly ids: readonly string[] | undefined;
  readonly criteria: readonly Criterion[];
  /** Page size, 1 to SEARCH_MAX_COUNT. */
  readonly count: number;
  /** The paging token of a previous answer, opaque here. */
  readonly cursor: string | undefined;
  readonly total: 'none' | 'estimate' | 'accurate' | undefined;
}

export interface QueryError {
  readonly code: 'not-supported' | 'invalid-syntax';
  /** The parameter as given, or `(parameter)` where it could not be one. */
  readonly parameter: string;
  /** What is wrong, and what would work; without the value. */
  readonly message: string;
}

export interface QueryOptions {
  /** This server's FHIR base URL without a trailing slash: references that begin with it are local. */
  readonly baseUrl?: string;
}

/** Parameters that shape the answer's text and are handled where HTTP is. */
const PRESENTATION: ReadonlySet<string> = new Set(['_format', '_pretty']);

/**
 * Parses the decoded name and value pairs of a search on `type`. All errors at once; with any, there is no query. An unknown type gives
 * an error too.
 */
export function parseQuery(
  type: string,
  pairs: Iterable<readonly [string, string]>,
  options: QueryOptions = {},
): { readonly query: SearchQuery } | { readonly errors: readonly QueryError[] } {
  if (!RESOURCE_TYPES.has(type)) {
    return { errors: [{ code: 'not-supported', parameter: '(type)', message: 'R4 has no such resource type' }] };
  }
  const errors: QueryError[] = [];
  const criteria: Criterion[] = [];
  let ids: readonly string[] | undefined;
  let count = SEARCH_DEFAULT_COUNT;
  let cursor: string | undefined;
  let total: SearchQuery['total'];
  const seen = new Set<string>();
  for (const [name, value] of pairs) {
    if (PRESENTATION.has(name)) continue;
    const fail = (code: QueryError['code'], message: string): void => {
      errors.push({ code, parameter: printable(name), message });
    };
    const once = ['_count', '_cursor', '_total'].includes(name);
    if (once && seen.has(name)) fail('invalid-syntax', 'may be given only once');
    seen.add(name);
    if (value === '') fail('invalid-syntax', 'has no value');
    else if (name === '_count') {
      if (/^\d{1,9}$/.test(value) && Number(value) > 0) count = Math.min(Number(value), SEARCH_MAX_COUNT);
      else fail('invalid-syntax', `must be a number from 1 to ${SEARCH_MAX_COUNT}`);
    } else if (name === '_cursor') cursor = value;
    else if (name === '_total') {
      if (value === 'none' || value === 'estimate' || value === 'accurate') total = value;
      else fail('invalid-syntax', 'must be none, estimate or accurate');
    } else if (name === '_id') {
      const given = splitUnescaped(value, ',').filter((id) => parseLogicalId(id) !== undefined);
      ids = ids === undefined ? given : ids.filter((id) => given.includes(id));
    } else {
      const criterion = parseCriterion(type, name, value, options);
      if ('message' in criterion) fail(criterion.code, criterion.message);
      else criteria.push(criterion);
    }
  }
  return errors.length > 0 ? { errors } : { query: { type, ids, criteria, count, cursor, total } };
}

function printable(name: string): string {
  return /^[A-Za-z_][\w.:-]{0,63}$/.test(name) ? name : '(parameter)';
}

type Failure = Pick<QueryError, 'code' | 'message'>;

const unsupported = (message: string): Failure => ({ code: 'not-supported', message });
const malformed = (message: string): Failure => ({ code: 'invalid-syntax', message });

function parseCriterion(type: string, name: string, value: string, options: QueryOptions): Criterion | Failure {
  if (name.includes('.')) return unsupported('chained parameters are not supported');
  if (name.startsWith('_has')) return unsupported('reverse chains are not supported');
  const colon = name.indexOf(':');
  const code = colon < 0 ? name : name.slice(0, colon);
  const suffix = colon < 0 ? undefined : name.slice(colon + 1);
  const parameter = parametersOf(type).get(code);
  if (parameter === undefined) {
    return unsupported(code.startsWith('_') ? 'is not supported' : `is not a search parameter of ${type}`);
  }
  const support = supportOf(type, parameter);
  if (support === undefined) return unsupported(`is not supported for ${type}`);
  const base = { parameter, support, modifier: undefined, missing: undefined };
  if (suffix === 'missing') {
    if (value !== 'true' && value !== 'false') return malformed('must be true or false');
    return { ...base, missing: value === 'true', anyOf: [] };
  }
  const modifier = modifierOf(parameter, suffix);
  if (modifier === undefined) return unsupported(`modifier :${printable(suffix ?? '')} is not supported here`);
  const anyOf: Operand[] = [];
  for (const part of splitUnescaped(value, ',')) {
    const operand =
      part === '' ? malformed('has an empty value in its list') : parseOperand(parameter, part, modifier.type, options);
    if ('message' in operand) return operand;
    anyOf.push(operand);
  }
  return { ...base, modifier: modifier.modifier, anyOf };
}

function modifierOf(
  parameter: SearchParameter,
  suffix: string | undefined,
): { readonly modifier: Modifier | undefined; readonly type: string | undefined } | undefined {
  if (suffix === undefined) return { modifier: undefined, type: undefined };
  if (parameter.type === 'string' && (suffix === 'exact' || suffix === 'contains'))
    return { modifier: suffix, type: undefined };
  if (parameter.type === 'token' && suffix === 'not') return { modifier: 'not', type: undefined };
  if (parameter.type === 'reference' && RESOURCE_TYPES.has(suffix)) return { modifier: undefined, type: suffix };
  return undefined;
}

function parseOperand(
  parameter: SearchParameter,
  escaped: string,
  type: string | undefined,
  options: QueryOptions,
): Operand | Failure {
  switch (parameter.type) {
    case 'token':
      return parseToken(escaped);
    case 'string': {
      const raw = unescape(escaped);
      return { kind: 'string', raw, text: normalise(raw) };
    }
    case 'reference':
      return parseReferenceOperand(unescape(escaped), type, options);
    case 'uri':
      return { kind: 'uri', uri: unescape(escaped) };
    case 'date':
      return parseDate(unescape(escaped));
    case 'number':
    case 'quantity':
      return parseQuantity(escaped, parameter.type === 'quantity');
    default:
      return unsupported('this kind of parameter is not supported');
  }
}

function parseToken(escaped: string): Operand | Failure {
  const [first = '', ...rest] = splitUnescaped(escaped, '|');
  if (rest.length === 0) return { kind: 'token', form: 'bare', system: '', code: unescape(first) };
  const system = unescape(first);
  const code = unescape(rest.join('|'));
  if (system === '' && code === '') return malformed('a token needs a system or a code');
  if (code === '') return { kind: 'token', form: 'system', system, code };
  return { kind: 'token', form: system === '' ? 'no-system' : 'both', system, code };
}

function parseReferenceOperand(given: string, type: string | undefined, options: QueryOptions): Operand | Failure {
  const base = options.baseUrl === undefined ? undefined : `${options.baseUrl}/`;
  const text = base !== undefined && given.startsWith(base) ? given.slice(base.length) : given;
  const parsed = parseReference(text);
  if (parsed?.local === true) {
    if (type !== undefined && type !== parsed.type)
      return malformed('the type of the reference is not that of the modifier');
    return { kind: 'reference', type: parsed.type, id: parsed.id, text };
  }
  return { kind: 'reference', type, id: parseLogicalId(text), text };
}

const PREFIXED = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.+)$/s;

function comparatorOf(text: string | undefined): Comparator | undefined {
  switch (text) {
    case 'ne':
    case 'gt':
    case 'lt':
    case 'ge':
    case 'le':
    case 'sa':
    case 'eb':
      return text;
    case 'ap':
      return undefined;
    default:
      return 'eq';
  }
}

function parseDate(given: string): Operand | Failure {
  const [, prefix, rest = ''] = PREFIXED.exec(given) ?? [];
  const comparator = comparatorOf(prefix);
  if (comparator === undefined) return unsupported('the prefix ap is not supported');
  // A + that was not percent-encoded arrives as a space: only a zone can stand there.
  const interval = parseInterval(rest.replace(/(T[\d:.]+) (\d\d:\d\d)$/, '$1+$2'));
  return interval === undefined
    ? malformed('must be a date or time like 2024-05-31 or ge2024-05-31T10:00:00Z')
    : { kind: 'date', comparator, interval };
}

const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function parseQuantity(escaped: string, units: boolean): Operand | Failure {
  const [number = '', system = '', code = '', ...more] = splitUnescaped(escaped, '|');
  const [, prefix, rest = ''] = PREFIXED.exec(number) ?? [];
  const comparator = comparatorOf(prefix);
  if (comparator === undefined) return unsupported('the prefix ap is not supported');
  if (!NUMBER.test(rest) || more.length > 0 || (!units && number !== escaped)) {
    return malformed(
      units ? 'must be like 5.4, 5.4|http://unitsofmeasure.org|mg or 5.4||mg' : 'must be a number like 5.4 or gt5.4',
    );
  }
  const value = Number(rest);
  const half = precision(rest) / 2;
  return {
    kind: 'quantity',
    comparator,
    value,
    low: value - half,
    high: value + half,
    system: system === '' ? undefined : unescape(system),
    code: code === '' ? undefined : unescape(code),
  };
}

/** One unit of the last digit given: 0.1 for `5.4`, 1 for `100`, 10 for `1.2e2`. */
function precision(text: string): number {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const point = mantissa.indexOf('.');
  return 10 ** (Number(exponent) - (point < 0 ? 0 : mantissa.length - point - 1));
}

/** Splits at a separator that no backslash escapes (R4 search, 3.1.1.4.7). */
function splitUnescaped(text: string, separator: string): string[] {
  if (!text.includes('\\')) return text.split(separator);
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at);
    if (letter === '\\' && at + 1 < text.length) {
      part += letter + text.charAt(at + 1);
      at += 1;
    } else if (letter === separator) {
      parts.push(part);
      part = '';
    } else part += letter;
  }
  return [...parts, part];
}

function unescape(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\([\\,|$])/g, '$1') : text;
}
