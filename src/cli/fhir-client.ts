/** The little FHIR client of the demo: JSON in, JSON out, a token with every request. */
import { GatewayError } from '../core/errors.ts';

export interface FhirAnswer {
  readonly status: number;
  /** The parsed body; undefined for an empty one. */
  readonly body: unknown;
  /** Leaf of the manifest that anchors the version read. */
  readonly leaf: number | undefined;
}

export interface FhirClient {
  get(path: string): Promise<FhirAnswer>;
  post(path: string, resource: object): Promise<FhirAnswer>;
}

const DEADLINE_MS = 30_000;

/** `base` without a trailing slash. Throws `unavailable` when nothing answers. */
export function fhirClient(base: string, token: string): FhirClient {
  const send = async (method: string, path: string, resource?: object): Promise<FhirAnswer> => {
    try {
      const response = await fetch(base + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/fhir+json',
          'content-type': 'application/fhir+json',
        },
        ...(resource === undefined ? {} : { body: JSON.stringify(resource) }),
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const text = await response.text();
      const body: unknown = text === '' ? undefined : JSON.parse(text);
      const leaf = response.headers.get('anamnesis-leaf');
      return { status: response.status, body, leaf: leaf === null ? undefined : Number(leaf) };
    } catch (cause) {
      throw new GatewayError('unavailable', `${method} ${base} got no answer that could be read`, { cause });
    }
  };
  return { get: (path) => send('GET', path), post: (path, resource) => send('POST', path, resource) };
}

/** The value at a path of names and positions; undefined where there is none. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = new Map<string, unknown>(Object.entries(here)).get(String(step));
  }
  return here;
}

/** Resources of a searchset's matches, in order. */
export function matches(bundle: unknown): readonly unknown[] {
  const entries = at(bundle, 'entry');
  return Array.isArray(entries)
    ? entries.filter((entry) => at(entry, 'search', 'mode') !== 'outcome').map((entry) => at(entry, 'resource'))
    : [];
}

/** A text at a path; empty where there is none. */
export function textAt(value: unknown, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path);
  return typeof found === 'string' || typeof found === 'number' ? String(found) : '';
}
