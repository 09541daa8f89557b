/**
 * A transaction Bundle (http://hl7.org/fhir/R4/http.html#transaction) as Changes. Pure. References between entries, by
 * `urn:uuid` or by the full URL of another entry, become placeholders that the writer resolves; whatever would need a search (conditional
 * forms) is refused by name.
 */
import { GatewayError, type InputIssue } from '../core/errors.ts';
import { parseLogicalId } from '../core/ids.ts';
import { changeReference, type Change } from '../formats/fhir/change.ts';
import { mapReferences } from '../formats/fhir/references.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { businessKeys } from './business-keys.ts';
import { checkSubmitted, isResource, refuseIssues } from './check-submitted.ts';
import { withoutId } from './write-resource.ts';

export interface TransactionLimits {
  readonly entries: number;
  /** Base URL of the FHIR endpoint, without a trailing slash. */
  readonly base: string;
}

interface Entry {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly type: string;
  readonly id: string | undefined;
  readonly fullUrl: string | undefined;
  readonly ifVersion: string | undefined;
  /** Undefined for a DELETE. */
  readonly resource: Resource | undefined;
}

/** The changes, one an entry, in the order of the entries. Throws `invalid-content`, `not-supported`, `too-large`. */
export function parseTransaction(body: unknown, limits: TransactionLimits, now: number): readonly Change[] {
  const entries = entriesOf(body, limits).map((entry, i) => parseEntry(entry, i, limits));
  const targets = targetsOf(entries);
  const issues: InputIssue[] = [];
  const changes = entries.map((entry, i): Change => {
    const { method, type, id, ifVersion, resource } = entry;
    const base = { type, sourceTime: now, ...(ifVersion === undefined ? {} : { ifVersion }) };
    if (method === 'DELETE' || resource === undefined) return { ...base, mode: 'delete', keys: [], id: id ?? '' };
    const at = `Bundle.entry[${i}].resource`;
    // Checked with the types that the placeholders stand for, so that a subject cannot become a Practitioner.
    const typed = mapReferences(resource, (reference) => {
      const target = targets.get(absolute(reference, entry.fullUrl)) ?? targets.get(reference);
      if (target !== undefined) return `${entries[target].type}/${entries[target].id ?? 'new'}`;
      issues.push(...danglingIssue(reference, at));
      return reference;
    });
    issues.push(...checkSubmitted(typed, type, at));
    const set = mapReferences(withoutId(resource), (reference) => {
      const target = targets.get(absolute(reference, entry.fullUrl)) ?? targets.get(reference);
      return target === undefined ? reference : changeReference(target);
    });
    return { ...base, mode: 'replace', keys: businessKeys(resource), set, ...(id === undefined ? {} : { id }) };
  });
  refuseIssues(issues);
  return changes;
}

function entriesOf(body: unknown, limits: TransactionLimits): readonly unknown[] {
  if (!isObject(body) || body.resourceType !== 'Bundle') {
    throw new GatewayError('invalid-content', 'the base takes a Bundle', { expression: 'Bundle' });
  }
  if (body.type !== 'transaction') {
    throw new GatewayError('not-supported', 'only Bundles of type transaction are taken', {
      expression: 'Bundle.type',
    });
  }
  const { entry = [] } = body;
  if (!Array.isArray(entry)) {
    throw new GatewayError('invalid-content', 'entry must be a list', { expression: 'Bundle.entry' });
  }
  if (entry.length > limits.entries) {
    throw new GatewayError('too-large', `a transaction has at most ${limits.entries} entries`, {
      expression: 'Bundle.entry',
    });
  }
  return entry;
}

const CONDITIONS = ['ifNoneMatch', 'ifModifiedSince', 'ifNoneExist'] as const;
const ENTITY_TAG = /^(?:W\/)?"([A-Za-z0-9\-.]{1,64})"$/;

function parseEntry(entry: unknown, i: number, limits: TransactionLimits): Entry {
  const at = `Bundle.entry[${i}]`;
  const refuse = (code: 'invalid-content' | 'not-supported', message: string, path: string): never => {
    throw new GatewayError(code, `${at}.${path}: ${message}`, { expression: `${at}.${path}` });
  };
  if (!isObject(entry) || !isObject(entry.request))
    return refuse('invalid-content', 'every entry needs one', 'request');
  const { request, resource, fullUrl } = entry;
  const { method, url, ifMatch } = request;
  if (typeof method !== 'string' || typeof url !== 'string') {
    return refuse('invalid-content', 'method and url are needed', 'request');
  }
  for (const name of CONDITIONS) {
    if (request[name] !== undefined) refuse('not-supported', 'conditional forms are not supported', `request.${name}`);
  }
  if (fullUrl !== undefined && typeof fullUrl !== 'string') refuse('invalid-content', 'must be a URI', 'fullUrl');
  if (method !== 'POST' && method !== 'PUT' && method !== 'DELETE') {
    return refuse('not-supported', 'a transaction takes POST, PUT and DELETE', 'request.method');
  }
  const path = url.startsWith(`${limits.base}/`) ? url.slice(limits.base.length + 1) : url;
  if (path.includes('?')) return refuse('not-supported', 'conditional forms are not supported', 'request.url');
  const [type = '', id, ...more] = path.split('/');
  const wantsId = method !== 'POST';
  if (more.length > 0 || (wantsId ? id === undefined || parseLogicalId(id) === undefined : id !== undefined)) {
    return refuse('invalid-content', wantsId ? 'must be Type/id' : 'must be Type', 'request.url');
  }
  let ifVersion: string | undefined;
  if (ifMatch !== undefined) {
    ifVersion = typeof ifMatch === 'string' ? ENTITY_TAG.exec(ifMatch)?.[1] : undefined;
    if (ifVersion === undefined || !wantsId)
      refuse('not-supported', 'takes one entity tag, on PUT or DELETE', 'request.ifMatch');
  }
  if (method === 'DELETE') {
    if (resource !== undefined) refuse('invalid-content', 'a DELETE has none', 'resource');
  } else {
    if (!isResource(resource)) return refuse('invalid-content', 'a resource is needed', 'resource');
    if (resource.resourceType !== type) refuse('invalid-content', 'must be of the type in request.url', 'resource');
    if (wantsId && resource.id !== id) refuse('invalid-content', 'must be the id in request.url', 'resource.id');
  }
  return {
    method,
    type,
    id,
    fullUrl: typeof fullUrl === 'string' ? fullUrl : undefined,
    ifVersion,
    resource: method !== 'DELETE' && isResource(resource) ? resource : undefined,
  };
}

/** Entries by what others may call them; also sees to it that no resource stands in two of them. */
function targetsOf(entries: readonly Entry[]): ReadonlyMap<string, number> {
  const targets = new Map<string, number>();
  const written = new Set<string>();
  entries.forEach(({ type, id, fullUrl, method }, i) => {
    const twice = (path: string): never => {
      throw new GatewayError('invalid-content', 'a resource may stand in one entry of a transaction only', {
        expression: `Bundle.entry[${i}].${path}`,
      });
    };
    if (id !== undefined) {
      if (written.has(`${type}/${id}`)) twice('request.url');
      written.add(`${type}/${id}`);
    }
    if (fullUrl !== undefined && method !== 'DELETE') {
      if (targets.has(fullUrl)) twice('fullUrl');
      targets.set(fullUrl, i);
    }
  });
  return targets;
}

const RESTFUL = /^(https?:\/\/.+\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** A relative reference, as the full URL of the entry that it stands in makes it (R4 Bundle, resolving references). */
function absolute(reference: string, fullUrl: string | undefined): string {
  const base = fullUrl === undefined ? undefined : RESTFUL.exec(fullUrl)?.[1];
  return base === undefined || reference.includes(':') || reference.startsWith('#') ? reference : `${base}${reference}`;
}

function danglingIssue(reference: string, at: string): InputIssue[] {
  const issue = { severity: 'error', expression: at } as const;
  if (reference.startsWith('urn:uuid:')) {
    return [{ ...issue, code: 'not-found', diagnostics: 'a urn:uuid reference names no entry of this Bundle' }];
  }
  if (/^[A-Z][A-Za-z]+\?/.test(reference)) {
    return [{ ...issue, code: 'not-supported', diagnostics: 'conditional references are not supported' }];
  }
  return [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
