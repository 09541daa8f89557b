/**
 * What the index holds of a resource (DESIGN section 7): token parts under the gateway's secret and under the patient's, and
 * the time its rows are sorted by. Pure. A token is a row per sealed group and sort time, so the costs are, for a laboratory
 * Observation (alone; in one message all but code, value and patient+code are shared by its neighbours):
 *
 *   type 1            the scan of a type, by time: Observation?date=..., and filters in the directory
 *   code 3            system|code, code, system|: across patients
 *   category 3        the same
 *   status, encounter, performer, based-on ...   1 each, by code or by the id of what they refer to
 *   value 1           a bucket of the number: value-quantity=5.4
 *   patient+type 1, patient+code 1, patient+category 1   what nearly every app asks; the system is left to the re-check,
 *                     since inside one patient the bare code finds hardly anything else
 *
 * The date itself has no row: it is the sort time, so that any of these tokens can be scanned by range of dates. Other dates of a
 * type (issued, recorded) have buckets: day, month, year. The subject has none under the gateway's secret. A person has the
 * whole identifier, prefixes of the names (3 to 12 letters), and name with birth date; gender, birth date, address and contacts
 * have none. Superseded and deleted versions are not told apart here: they fall out when they are re-checked.
 */
import { subjectOf, parseReference } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { intervalOf, parseInterval } from './dates.ts';
import { parametersOf, visitValues, type SearchParameter, type ValuePath } from './parameters.ts';
import { PERSON_TYPES, SORT_ELEMENTS, indexName, sortParameter, supportOf } from './support.ts';
import {
  LONG_MS,
  PREFIX_MAX,
  bucketOf,
  bucketToken,
  dateTokens,
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
  type TokenParts,
} from './tokens.ts';
import { isFields, normalise, quantityOf, visitStrings, visitTokens } from './values.ts';

export interface IndexEntries {
  /** Milliseconds since 1970 of the clinically relevant time: effective, authored, start of a period ...; else `meta.lastUpdated`. */
  readonly sortTime: number;
  /** Tokens under the gateway's index secret; no duplicates. */
  readonly gateway: readonly TokenParts[];
  /** Tokens under the index secret of the patient that the resource belongs to; empty when it has none. */
  readonly patient: readonly TokenParts[];
}

type Sink = (parts: TokenParts) => void;
type Extractor = (resource: StoredResource, add: Sink) => void;

interface TypePlan {
  /** By the element in which the parameter's path begins: a resource has few of those that its type may have. */
  readonly gateway: ReadonlyMap<string, readonly Extractor[]>;
  /** The parameters with patient-scoped compounds. */
  readonly patient: readonly Extractor[];
  readonly sort: SearchParameter | undefined;
}

const plans = new Map<string, TypePlan>();

function planOf(type: string): TypePlan {
  let plan = plans.get(type);
  if (plan !== undefined) return plan;
  const gateway = new Map<string, Extractor[]>();
  const enter = (element: string, extractor: Extractor): void => {
    const beside = gateway.get(element);
    if (beside === undefined) gateway.set(element, [extractor]);
    else beside.push(extractor);
  };
  const patient: Extractor[] = [];
  const sort = sortParameter(type);
  for (const parameter of parametersOf(type).values()) {
    if (supportOf(type, parameter) !== 'indexed' || parameter.name === sort?.name) continue;
    if (indexName(type, parameter) !== parameter.name) continue;
    if (isCompound(parameter)) patient.push(patientExtractor(type, parameter));
    for (const path of parameter.paths) {
      const extract = extractorOf(type, parameter, path);
      if (extract !== undefined)
        enter(path.steps[0]?.name ?? '', (resource, add) =>
          visitValues(resource, path, (value) => extract(value, add)),
        );
    }
  }
  if (PERSON_TYPES.has(type)) enter('birthDate', nameAndBirthdate);
  plan = { gateway, patient, sort };
  plans.set(type, plan);
  return plan;
}

/** `patient+code` and `patient+category`. */
export function isCompound(parameter: SearchParameter): boolean {
  return parameter.type === 'token' && (parameter.name === 'code' || parameter.name === 'category');
}

/** Index entries of a resource version. A tombstone has none. */
export function indexEntries(resource: StoredResource): IndexEntries {
  const gateway = new Collector();
  const patient = new Collector();
  const sortTime = visitEntries(resource, gateway.add, patient.add);
  return { sortTime, gateway: gateway.parts, patient: patient.parts };
}

/** Hands over the entries of a resource version one by one, some of them more than once. Returns the sort time. */
export function visitEntries(resource: StoredResource, gateway: Sink, patient: Sink): number {
  const type = resource.resourceType;
  const plan = planOf(type);
  const lastUpdated = Date.parse(resource.meta.lastUpdated);
  if (isTombstone(resource)) return lastUpdated;
  const { sortTime, long } = sortTimeOf(resource, plan.sort, lastUpdated);
  gateway(typeToken(type));
  for (const element of Object.keys(resource)) {
    for (const extract of plan.gateway.get(element) ?? []) extract(resource, gateway);
  }
  if (long) gateway(longToken(type));
  if (type !== 'Patient' && subjectOf(resource) !== undefined) {
    patient(typeToken(type));
    for (const extract of plan.patient) extract(resource, patient);
    if (long) patient(longToken(type));
  }
  return sortTime;
}

/** Entries up to which comparing with each is faster than a set of names. */
const FEW = 32;

/** Keeps the first of equal parts. */
class Collector {
  readonly parts: TokenParts[] = [];
  #names: Set<string> | undefined;
  readonly add: Sink = (parts) => {
    if (this.parts.length < FEW) {
      for (const known of this.parts) if (equalParts(known, parts)) return;
    } else {
      // A list of thousands of references must not cost their square.
      this.#names ??= new Set(this.parts.map((known) => JSON.stringify(known)));
      const name = JSON.stringify(parts);
      if (this.#names.has(name)) return;
      this.#names.add(name);
    }
    this.parts.push(parts);
  };
}

function equalParts(a: TokenParts, b: TokenParts): boolean {
  if (a.length !== b.length) return false;
  for (let at = a.length - 1; at >= 0; at -= 1) if (a[at] !== b[at]) return false;
  return true;
}

function sortTimeOf(
  resource: StoredResource,
  sort: SearchParameter | undefined,
  lastUpdated: number,
): { sortTime: number; long: boolean } {
  if (sort === undefined) return { sortTime: lastUpdated, long: false };
  let count = 0;
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const path of sort.paths) {
    visitValues(resource, path, (value) => {
      const interval = intervalOf(value, path.kind);
      if (interval === undefined) return;
      count += 1;
      low = Math.min(low, interval.low);
      high = Math.max(high, interval.high);
    });
  }
  if (count === 0) return { sortTime: fallbackTime(resource) ?? lastUpdated, long: false };
  const sortTime = low > Number.NEGATIVE_INFINITY ? low : Number.isFinite(high) ? high - 1 : lastUpdated;
  return { sortTime, long: count > 1 || low !== sortTime || high - sortTime > LONG_MS };
}

function fallbackTime(resource: StoredResource): number | undefined {
  for (const element of SORT_ELEMENTS) {
    const value = resource[element];
    if (value === undefined) continue;
    const interval = intervalOf(value, typeof value === 'string' ? 'dateTime' : 'Period');
    if (interval !== undefined && Number.isFinite(interval.low)) return interval.low;
  }
  return undefined;
}

/** The extractor of one path, or undefined when the path's data type has nothing that this kind of parameter looks at. */
function extractorOf(
  type: string,
  parameter: SearchParameter,
  path: ValuePath,
): ((value: unknown, add: Sink) => void) | undefined {
  const { name } = parameter;
  switch (parameter.type) {
    case 'token':
      return (value, add) =>
        visitTokens(value, path, ({ system, code, anySystem }) => {
          if (path.kind === 'code' || anySystem === true) {
            if (code !== undefined) add(tokenBare(type, name, code));
            return;
          }
          if (code !== undefined) {
            add(system === undefined ? tokenNoSystem(type, name, code) : tokenBoth(type, name, system, code));
            add(tokenBare(type, name, code));
          }
          if (system !== undefined) add(tokenSystem(type, name, system));
        });
    case 'reference':
      return (value, add) => {
        const target = referenceTarget(value, path);
        if (target !== undefined) add(referenceToken(type, name, target));
      };
    case 'uri':
      return (value, add) => {
        if (typeof value === 'string')
          add(uriToken(type, name, path.kind === 'canonical' ? withoutVersion(value) : value));
      };
    case 'string':
      return (value, add) => visitStrings(value, path.kind, (text) => addPrefixes(type, name, text, add));
    case 'date':
      return (value, add) => {
        const interval = intervalOf(value, path.kind);
        if (interval !== undefined) for (const parts of dateTokens(type, name, interval)) add(parts);
      };
    case 'number':
    case 'quantity':
      return (value, add) => {
        const quantity = quantityOf(value, path.kind);
        if (quantity !== undefined) add(bucketToken(type, name, bucketOf(quantity.low, quantity.high)));
      };
    default:
      return undefined;
  }
}

/** What a reference is found by: the id of a local one, else the text as it stands. */
export function referenceTarget(value: unknown, path: ValuePath): string | undefined {
  if (typeof value === 'string') return withoutVersion(value);
  if (!isFields(value)) return undefined;
  const text = path.kind === 'Attachment' ? value.url : value.reference;
  if (typeof text !== 'string' || text.startsWith('#')) return undefined;
  const parsed = parseReference(text);
  if (path.only !== undefined && parsed?.type !== path.only) return undefined;
  return parsed?.local === true ? parsed.id : text;
}

function withoutVersion(canonical: string): string {
  const bar = canonical.indexOf('|');
  return bar < 0 ? canonical : canonical.slice(0, bar);
}

function patientExtractor(type: string, parameter: SearchParameter): Extractor {
  return (resource, add) => {
    for (const path of parameter.paths) {
      visitValues(resource, path, (value) => {
        visitTokens(value, path, ({ code }) => {
          if (code !== undefined) add(tokenBare(type, parameter.name, code));
        });
      });
    }
  };
}

function addPrefixes(type: string, parameter: string, text: string, add: Sink): void {
  const letters = Array.from(normalise(text));
  const whole = letters.join('');
  const from = shortestPrefix(whole);
  if (letters.length > 0 && (letters.length < from || letters.length > PREFIX_MAX))
    add(wholeToken(type, parameter, whole));
  for (let length = from; length <= Math.min(letters.length, PREFIX_MAX); length += 1) {
    add(prefixToken(type, parameter, letters.slice(0, length).join('')));
  }
}

/** One row for each part of the name with the birth date, where that is a whole day. */
function nameAndBirthdate(resource: StoredResource, add: Sink): void {
  const birthdate = resource.birthDate;
  if (typeof birthdate !== 'string' || birthdate.length !== 10 || parseInterval(birthdate) === undefined) return;
  for (const name of Array.isArray(resource.name) ? (resource.name as readonly unknown[]) : []) {
    visitStrings(name, 'HumanName', (text) => {
      const letters = Array.from(normalise(text));
      const from = shortestPrefix(letters.join(''));
      if (letters.length >= from)
        add(nameBirthdateToken(resource.resourceType, letters.slice(0, from).join(''), birthdate));
    });
  }
}
