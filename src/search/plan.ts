/**
 * From a query to what the index has to be asked: lists of tokens, and a range of sort times. The index only narrows:
 * whatever comes back must be opened and re-checked with matches.ts, and every match is among what comes back (a property
 * test compares with a scan of everything). A search that no token narrows is refused as too costly, with what to add.
 */
import { DIRECTORY_TYPES } from '../formats/fhir/references.ts';
import { isCompound } from './extract.ts';
import { type Criterion, type Operand, type SearchQuery } from './query.ts';
import { PERSON_TYPES, indexName, sortParameter } from './support.ts';
import {
  LONG_MS,
  PREFIX_MAX,
  YEAR_MAX,
  YEAR_MIN,
  bucketToken,
  bucketsBetween,
  dateToken,
  longToken,
  nameBirthdateToken,
  prefixToken,
  referenceToken,
  shortestPrefix,
  tokenBare,
  tokenBoth,
  tokenNoSystem,
  tokenSystem,
  typeToken,
  uriToken,
  wholeToken,
  yearOf,
  type TokenParts,
} from './tokens.ts';

/** Tokens of one criterion: a row of any of them is a candidate. */
export interface TokenSet {
  /** Whose index secret makes the tokens. */
  readonly secret: 'gateway' | 'patient';
  readonly anyOf: readonly TokenParts[];
  /** Expected share of rows, small first: 1 an identifier, 9 a whole type. */
  readonly rank: number;
}

/**
 * Candidates are the lines that have a row in every set (using only the first is right too, and often cheaper), with a sort time
 * from `from` to below `to` where given.
 */
export interface Branch {
  /** Never empty; cheapest first. */
  readonly all: readonly TokenSet[];
  /** Milliseconds since 1970, inside. */
  readonly from: number | undefined;
  /** Milliseconds since 1970, outside. */
  readonly to: number | undefined;
}

export type Plan =
  /** Nothing can match. */
  | { readonly kind: 'nothing' }
  /** Read these logical ids of the query's type, without the index. */
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  /**
   * Run every branch and join the results, newest sort time first; a line may come from two branches. `patients`: logical ids of the
   * patients in whose index each branch is run; undefined: across patients, under the gateway's secret alone.
   */
  | { readonly kind: 'scan'; readonly patients: readonly string[] | undefined; readonly branches: readonly Branch[] }
  /** Not without reading too much. `message` names what would help, without values. */
  | { readonly kind: 'refused'; readonly code: 'too-costly'; readonly message: string };

/** Tokens beyond which a criterion is left to the re-check. */
const MAX_TOKENS = 256;
const WIDE_BUCKETS = 40;

/** The plan of a query. Pure. */
export function planSearch(query: SearchQuery): Plan {
  const { type, criteria } = query;
  if (query.ids !== undefined) return query.ids.length === 0 ? { kind: 'nothing' } : { kind: 'ids', ids: query.ids };
  const patients = patientsOf(criteria);
  if (patients?.length === 0) return { kind: 'nothing' };
  const range = sortRange(type, criteria);
  if (patients !== undefined) {
    const own = criteria.flatMap((criterion) => patientSet(type, criterion));
    // Inside a record the compound says all that the gateway's token of the same criterion would.
    const others = criteria.filter((criterion) => patientSet(type, criterion).length === 0);
    const gateway = gatewaySets(type, others);
    const all = own.length > 0 ? own : [{ secret: 'patient', anyOf: [typeToken(type)], rank: 3 } as const];
    return {
      kind: 'scan',
      patients,
      branches: branchesOf(type, 'patient', [...all.toSorted(byRank), ...gateway], range),
    };
  }
  const gateway = gatewaySets(type, criteria);
  const selective = gateway.length > 0;
  if (!selective && !mayScanType(type, criteria, range))
    return { kind: 'refused', code: 'too-costly', message: advice(type) };
  const all = selective ? gateway : [{ secret: 'gateway', anyOf: [typeToken(type)], rank: 9 } as const];
  return { kind: 'scan', patients: undefined, branches: branchesOf(type, 'gateway', all, range) };
}

const byRank = (a: TokenSet, b: TokenSet): number => a.rank - b.rank || a.anyOf.length - b.anyOf.length;

/** Patients that all `patient` and `subject` criteria allow; undefined when there is none of them. */
function patientsOf(criteria: readonly Criterion[]): readonly string[] | undefined {
  let ids: readonly string[] | undefined;
  for (const { support, missing, anyOf } of criteria) {
    if (support !== 'patient' || missing !== undefined) continue;
    const named = anyOf.flatMap((operand) =>
      operand.kind === 'reference' && operand.id !== undefined && (operand.type ?? 'Patient') === 'Patient'
        ? [operand.id]
        : [],
    );
    ids = ids === undefined ? [...new Set(named)] : ids.filter((id) => named.includes(id));
  }
  return ids;
}

/** A whole type, newest first: without any criterion, by date alone, in the directory, or inside one month. */
function mayScanType(type: string, criteria: readonly Criterion[], range: SortRange | undefined): boolean {
  if (criteria.length === 0 || DIRECTORY_TYPES.has(type)) return true;
  if (range === undefined) return false;
  const sort = sortParameter(type)?.name;
  if (criteria.every((criterion) => criterion.parameter.name === sort)) return true;
  return range.from !== undefined && range.to !== undefined && range.to - range.from <= 2 * LONG_MS;
}

function advice(type: string): string {
  if (PERSON_TYPES.has(type))
    return 'too many people would have to be read: add a name of at least three letters, or an identifier';
  return 'too many records would have to be read: add patient, identifier, code or another indexed parameter, or a date range of a month';
}

function branchesOf(
  type: string,
  secret: TokenSet['secret'],
  all: readonly TokenSet[],
  range: SortRange | undefined,
): readonly Branch[] {
  if (range === undefined) return [{ all, from: undefined, to: undefined }];
  const long: TokenSet = { secret, anyOf: [longToken(type)], rank: 2 };
  const rest = all.filter((set) => set.anyOf[0]?.[1] !== '_type');
  const branches: Branch[] = [{ all: [long, ...rest].toSorted(bySecretAndRank), from: undefined, to: undefined }];
  if (range.from === undefined || range.to === undefined || range.from < range.to) {
    branches.unshift({ all, from: range.from, to: range.to });
  }
  return branches;
}

/** The patient's own tokens first: only they keep the scan inside one record. */
function bySecretAndRank(a: TokenSet, b: TokenSet): number {
  return (a.secret === 'patient' ? 0 : 1) - (b.secret === 'patient' ? 0 : 1) || byRank(a, b);
}

interface SortRange {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/**
 * Sort times at which a date of normal length can match all criteria on the sort date. Longer ones have the `long` token.
 * Undefined when the criteria say nothing about it.
 */
function sortRange(type: string, criteria: readonly Criterion[]): SortRange | undefined {
  const name = sortParameter(type)?.name;
  let range: SortRange | undefined;
  for (const criterion of criteria) {
    if (criterion.parameter.name !== name || criterion.missing !== undefined) continue;
    let from = Number.POSITIVE_INFINITY;
    let to = Number.NEGATIVE_INFINITY;
    for (const operand of criterion.anyOf) {
      const [low, high] = operand.kind === 'date' ? startRange(operand) : [-Infinity, Infinity];
      from = Math.min(from, low);
      to = Math.max(to, high);
    }
    range = { from: maximum(range?.from, from), to: minimum(range?.to, to) };
  }
  return range?.from === undefined && range?.to === undefined ? undefined : range;
}

const maximum = (a: number | undefined, b: number): number | undefined => {
  const larger = Math.max(a ?? -Infinity, b);
  return larger === -Infinity ? undefined : larger;
};
const minimum = (a: number | undefined, b: number): number | undefined => {
  const smaller = Math.min(a ?? Infinity, b);
  return smaller === Infinity ? undefined : smaller;
};

/** Where an interval of at most LONG_MS that matches the operand can begin: from, to below. */
function startRange({ comparator, interval }: Extract<Operand, { kind: 'date' }>): readonly [number, number] {
  switch (comparator) {
    case 'eq':
      return [interval.low, interval.high];
    case 'ne':
      return [-Infinity, Infinity];
    case 'gt':
      return [interval.high - LONG_MS, Infinity];
    case 'ge':
      return [Math.min(interval.low, interval.high - LONG_MS), Infinity];
    case 'sa':
      return [interval.high, Infinity];
    case 'lt':
      return [-Infinity, interval.low];
    case 'le':
      return [-Infinity, interval.high];
    case 'eb':
      return [-Infinity, interval.low];
  }
}

/** `patient+code` and `patient+category`: by the bare code. */
function patientSet(type: string, criterion: Criterion): readonly TokenSet[] {
  const { parameter, modifier, missing, anyOf, support } = criterion;
  if (support !== 'indexed' || missing !== undefined || modifier !== undefined || !isCompound(parameter)) return [];
  const tokens: TokenParts[] = [];
  for (const operand of anyOf) {
    if (operand.kind !== 'token' || operand.form === 'system') return [];
    tokens.push(tokenBare(type, parameter.name, operand.code));
  }
  return [{ secret: 'patient', anyOf: tokens, rank: parameter.name === 'code' ? 1 : 2 }];
}

function gatewaySets(type: string, criteria: readonly Criterion[]): readonly TokenSet[] {
  const sets = criteria.flatMap((criterion) => {
    const set = gatewaySet(type, criterion);
    return set === undefined ? [] : [set];
  });
  return [...sets, ...nameAndBirthdate(type, criteria)].toSorted(byRank);
}

/** The tokens of a criterion, undefined when the index cannot narrow it. */
function gatewaySet(type: string, criterion: Criterion): TokenSet | undefined {
  const { parameter, modifier, missing, anyOf, support } = criterion;
  if (support !== 'indexed' || missing !== undefined || modifier === 'not' || modifier === 'contains') return undefined;
  if (parameter.name === sortParameter(type)?.name) return undefined;
  const name = indexName(type, parameter);
  const tokens: TokenParts[] = [];
  for (const operand of anyOf) {
    const found = operandTokens(type, name, criterion, operand);
    if (found === undefined) return undefined;
    tokens.push(...found);
  }
  if (tokens.length > MAX_TOKENS) return undefined;
  return { secret: 'gateway', anyOf: tokens, rank: rankOf(criterion, tokens.length) };
}

function rankOf({ parameter, anyOf }: Criterion, tokens: number): number {
  if (anyOf.some((operand) => operand.kind === 'token' && operand.form === 'system')) return 8;
  if (parameter.name === 'identifier') return 1;
  if (parameter.type === 'reference' || parameter.type === 'uri') return 2;
  if (parameter.type === 'string') return 4;
  if (parameter.type === 'date') return tokens > 2 ? 7 : 4;
  if (parameter.type !== 'token') return 6;
  const flag = /status|category|class|intent|use|priority|outcome/.test(parameter.name);
  return flag ? 7 : 3;
}

/** Kinds of values that have a row for the bare code only. */
const BARE: ReadonlySet<string> = new Set(['code', 'boolean', 'string', 'id', 'uri', 'deceased', 'ContactPoint']);

function operandTokens(
  type: string,
  name: string,
  criterion: Criterion,
  operand: Operand,
): readonly TokenParts[] | undefined {
  const { paths } = criterion.parameter;
  switch (operand.kind) {
    case 'token': {
      if (operand.form === 'bare') return [tokenBare(type, name, operand.code)];
      const bare = paths.some((path) => BARE.has(path.kind));
      if (operand.form === 'system') return bare ? undefined : [tokenSystem(type, name, operand.system)];
      const full =
        operand.form === 'both'
          ? tokenBoth(type, name, operand.system, operand.code)
          : tokenNoSystem(type, name, operand.code);
      const plain = tokenBare(type, name, operand.code);
      if (!bare) return [full];
      return paths.every((path) => BARE.has(path.kind)) ? [plain] : [full, plain];
    }
    case 'string':
      return stringTokens(type, name, operand, criterion.modifier === 'exact');
    case 'reference':
      return [referenceToken(type, name, operand.id ?? withoutVersion(operand.text))];
    case 'uri':
      return [
        uriToken(
          type,
          name,
          paths.some((path) => path.kind === 'canonical') ? withoutVersion(operand.uri) : operand.uri,
        ),
      ];
    case 'date':
      return dateBuckets(type, name, operand);
    case 'quantity':
      return quantityBuckets(type, name, operand);
  }
}

function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar < 0 ? canonical : canonical.slice(0, bar);
}

function stringTokens(
  type: string,
  name: string,
  { text }: Extract<Operand, { kind: 'string' }>,
  exact: boolean,
): readonly TokenParts[] | undefined {
  const letters = Array.from(text);
  if (letters.length >= shortestPrefix(text)) return [prefixToken(type, name, letters.slice(0, PREFIX_MAX).join(''))];
  return exact && letters.length > 0 ? [wholeToken(type, name, text)] : undefined;
}

/** A date inside the searched day, month or year has that bucket; open ranges take whole years, and what crosses years. */
function dateBuckets(
  type: string,
  name: string,
  { comparator, interval }: Extract<Operand, { kind: 'date' }>,
): readonly TokenParts[] | undefined {
  if (comparator === 'ne') return undefined;
  const first = yearOf(interval.low);
  const last = yearOf(interval.high - 1);
  if (comparator === 'eq') {
    const from = new Date(interval.low).toISOString();
    const to = new Date(interval.high - 1).toISOString();
    const day = from.slice(0, -14);
    const month = from.slice(0, -17);
    if (day === to.slice(0, -14)) return [dateToken(type, name, 'day', day)];
    if (month === to.slice(0, -17)) return [dateToken(type, name, 'month', month)];
    return [dateToken(type, name, 'year', String(first))];
  }
  const upward = comparator === 'gt' || comparator === 'ge' || comparator === 'sa';
  const tokens = [dateToken(type, name, 'wide', '')];
  for (let year = upward ? first : YEAR_MIN; year <= (upward ? YEAR_MAX : last); year += 1) {
    tokens.push(dateToken(type, name, 'year', String(year)));
  }
  return tokens;
}

/** Buckets that the operand's numbers can lie in, and `open`; undefined when they would be most of all numbers. */
function quantityBuckets(
  type: string,
  name: string,
  operand: Extract<Operand, { kind: 'quantity' }>,
): readonly TokenParts[] | undefined {
  const { comparator, value } = operand;
  if (comparator !== 'eq') {
    const upward = comparator === 'gt' || comparator === 'ge' || comparator === 'sa';
    const buckets = upward ? bucketsBetween(value, Infinity) : bucketsBetween(-Infinity, value);
    if (comparator === 'ne' || buckets.length > WIDE_BUCKETS) return undefined;
    return ['open', ...buckets].map((bucket) => bucketToken(type, name, bucket));
  }
  const buckets = bucketsBetween(operand.low, operand.high);
  if (buckets.length > WIDE_BUCKETS) return undefined;
  return ['open', ...buckets].map((bucket) => bucketToken(type, name, bucket));
}

/** The compound of a name and a whole birth date. */
function nameAndBirthdate(type: string, criteria: readonly Criterion[]): readonly TokenSet[] {
  if (!PERSON_TYPES.has(type)) return [];
  const dates = criteria.flatMap(({ parameter, missing, anyOf }) =>
    parameter.name === 'birthdate' && missing === undefined ? [anyOf] : [],
  );
  const names = criteria.filter(
    ({ parameter, modifier, missing }) =>
      ['name', 'family', 'given'].includes(parameter.name) && modifier !== 'contains' && missing === undefined,
  );
  for (const days of dates) {
    const birthdates = days.map(wholeDay);
    for (const { anyOf } of names) {
      const prefixes = anyOf.map(firstLetters);
      if (birthdates.includes(undefined) || prefixes.includes(undefined)) continue;
      const tokens = prefixes.flatMap((prefix) =>
        birthdates.map((day) => nameBirthdateToken(type, prefix ?? '', day ?? '')),
      );
      return [{ secret: 'gateway', anyOf: tokens, rank: 1 }];
    }
  }
  return [];
}

function wholeDay(operand: Operand): string | undefined {
  if (operand.kind !== 'date' || operand.comparator !== 'eq') return undefined;
  const { low, high } = operand.interval;
  return high - low === 86_400_000 ? new Date(low).toISOString().slice(0, 10) : undefined;
}

function firstLetters(operand: Operand): string | undefined {
  if (operand.kind !== 'string') return undefined;
  const letters = Array.from(operand.text);
  const length = shortestPrefix(operand.text);
  return letters.length >= length ? letters.slice(0, length).join('') : undefined;
}
