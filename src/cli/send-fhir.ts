/** Sends FHIR JSON files: transactions and batches to the base, a resource with an id by PUT, one without by POST. */
import { readFile } from 'node:fs/promises';
import type { ConnectionOptions } from 'node:tls';
import { httpRequest } from '../clients/http-request.ts';
import { asGatewayError } from '../core/errors.ts';
import type { Sent } from './sent.ts';

/** Milliseconds that one request may take. */
const DEADLINE_MS = 120_000;
/** Bytes of one answer: a transaction's may repeat what was sent. */
const ANSWER_MAX_BYTES = 256 * 1024 * 1024;
const FHIR_JSON = 'application/fhir+json';

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

export interface FhirPeer {
  /** Without a trailing slash. */
  readonly base: string;
  readonly token: string;
  /** What to trust and show where the base is https. */
  readonly tls?: ConnectionOptions;
}

/** Sends the files in order and yields each answer. */
export async function* sendFhir(peer: FhirPeer, paths: readonly string[]): AsyncGenerator<Sent, void, undefined> {
  for (const path of paths) yield await sendOne(peer, path);
}

async function sendOne({ base, token, tls }: FhirPeer, path: string): Promise<Sent> {
  const text = await readFile(path, 'utf8');
  const parsed = parse(text.replace(/^\uFEFF/, ''));
  if (parsed === undefined) {
    return { path, accepted: false, answer: 'not sent', problem: 'not a FHIR resource in JSON' };
  }
  const { method, path: target } = interactionOf(parsed);
  const headers = { 'content-type': FHIR_JSON, accept: FHIR_JSON, authorization: `Bearer ${token}` };
  const bounds = { timeoutMs: DEADLINE_MS, maxBytes: ANSWER_MAX_BYTES, ...(tls && { tls }) };
  try {
    const { status, body } = await httpRequest(base + target, { method, headers, body: text, ...bounds });
    const accepted = status >= 200 && status < 300;
    const problem = accepted ? undefined : diagnosticsOf(body);
    return { path, accepted, answer: String(status), ...(problem === undefined ? {} : { problem }) };
  } catch (thrown) {
    return { path, accepted: false, answer: 'no answer', problem: `${base}: ${asGatewayError(thrown).message}` };
  }
}
