/**
 * What one FHIR interaction sees of an HTTP request and says in answer: plain values, no Express. One interaction a file
 * turns a Call into an Answer; the router does everything else.
 */
import { GatewayError } from '../../../core/errors.ts';
import type { Principal } from '../../../core/principal.ts';

/** Names and values of a query string or form, decoded, in their order. */
export type Parameters = readonly (readonly [name: string, value: string])[];

export interface Call {
  readonly principal: Principal;
  /** Resource type of the route; empty at the root. */
  readonly type: string;
  /** Logical id of the route; empty where the route has none. */
  readonly id: string;
  /** Version id of the route; empty where the route has none. */
  readonly version: string;
  /** Query parameters without those that negotiate the format. */
  readonly query: Parameters;
  /** True when `_format` has chosen FHIR JSON. */
  readonly fhirFormat: boolean;
  /** Undefined when the request does not carry it; names in lower case. */
  header(name: string): string | undefined;
  /** Parsed JSON of the body; undefined when there is none. */
  readonly body: unknown;
  /** Parameters of a form body; empty otherwise. */
  readonly form: Parameters;
  /** Base of the FHIR endpoint, without a trailing slash. */
  readonly base: string;
  readonly requestId: string;
  /** Aborted when nobody waits for the answer any more: after the deadline, or when the client has gone. Writes do not look. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A FHIR resource; absent for an empty body. */
  readonly body?: object;
  /** Instead of a resource: text of the type that `headers` name. */
  readonly text?: string;
  /** Instead of a resource: bytes of the type and length that `headers` name. */
  readonly stream?: AsyncIterable<Buffer>;
}

/** One interaction. Throws GatewayError; the router renders it. */
export type Handler = (call: Call) => Promise<Answer>;

/** Refuses every query parameter, for interactions that take none: nothing is ever passed over. */
export function refuseParameters(call: Call): void {
  const [first] = call.query;
  if (first === undefined) return;
  const name = /^[\w.:-]{1,64}$/.test(first[0]) ? first[0] : 'a parameter';
  throw new GatewayError('not-supported', `${name} is not supported by this interaction`);
}
