/** Sends FHIR JSON files: transactions and batches to the base, a resource with an id by PUT, one without by POST. */
import { readFile } from 'node:fs/promises';
import type { Sent } from './sent.ts';

/** Milliseconds that one request may take. */
const DEADLINE_MS = 120_000;

interface Parsed {
  readonly resourceType: string;
  readonly id: string | undefined;
  readonly type: string | undefined;
}

function parse(text: string): Parsed | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const fields: ReadonlyMap<string, unknown> = new Map(Object.entries(value));
    const string = (name: string): string | undefined => {
      const field = fields.get(name);
      return typeof field === 'string' ? field : undefined;
    };
    const resourceType = string('resourceType');
    return resourceType === undefined ? undefined : { resourceType, id: string('id'), type: string('type') };
  } catch {
    return undefined;
  }
}

/** Method and path under the base for a resource. */
function interactionOf({ resourceType, id, type }: Parsed): { readonly method: string; readonly path: string } {
  if (resourceType === 'Bundle' && (type === 'transaction' || type === 'batch')) return { method: 'POST', path: '' };
  const path = `/${encodeURIComponent(resourceType)}`;
  return id === undefined ? { method: 'POST', path } : { method: 'PUT', path: `${path}/${encodeURIComponent(id)}` };
}

/** The first diagnostics of an OperationOutcome. */
function diagnosticsOf(text: string): string | undefined {
  return /"diagnostics"\s*:\s*"((?:[^"\\]|\\.){1,300})/.exec(text)?.[1];
}

/** Sends the files in order to the FHIR base (no trailing slash) with a bearer token, and yields each answer. */
export async function* sendFhir(
  base: string,
  token: string,
  paths: readonly string[],
): AsyncGenerator<Sent, void, undefined> {
  for (const path of paths) yield await sendOne(base, token, path);
}

async function sendOne(base: string, token: string, path: string): Promise<Sent> {
  const text = await readFile(path, 'utf8');
  const parsed = parse(text.replace(/^\uFEFF/, ''));
  if (parsed === undefined)
    return { path, accepted: false, answer: 'not sent', problem: 'not a FHIR resource in JSON' };
  const { method, path: target } = interactionOf(parsed);
  try {
    const response = await fetch(base + target, {
      method,
      headers: {
        'content-type': 'application/fhir+json',
        accept: 'application/fhir+json',
        authorization: `Bearer ${token}`,
      },
      body: text,
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const body = await response.text();
    const problem = response.ok ? undefined : diagnosticsOf(body);
    return {
      path,
      accepted: response.ok,
      answer: String(response.status),
      ...(problem === undefined ? {} : { problem }),
    };
  } catch (thrown) {
    const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
    const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
    return { path, accepted: false, answer: 'no answer', problem: `${base} does not answer${code}` };
  }
}
