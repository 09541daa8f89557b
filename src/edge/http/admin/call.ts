/** What one administrative interaction sees of an HTTP request and says in answer: plain values, no Express. */
import { GatewayError } from '../../../core/errors.ts';
import type { AdminRight, Principal } from '../../../core/principal.ts';
import type { Parameters } from '../fhir/call.ts';

export interface AdminCall {
  readonly principal: Principal;
  /** Variables of the route, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Parameters;
  /** Parsed JSON of the body; undefined when there is none. */
  readonly body: unknown;
  /** Undefined when the request does not carry it; names in lower case. */
  header(name: string): string | undefined;
  readonly requestId: string;
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; absent for an empty body. */
  readonly body?: object;
}

export interface AdminRoute {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** Express pattern below `/admin`. */
  readonly path: string;
  readonly needs: AdminRight;
  /** Throws GatewayError; the router renders it. */
  readonly handler: (call: AdminCall) => Promise<AdminAnswer>;
}

/** The query as one value a name. Throws `not-supported` for a name that is not in `names`, or twice there. */
export function parametersOf<N extends string>(call: AdminCall, names: readonly N[]): Partial<Record<N, string>> {
  const found: Partial<Record<N, string>> = {};
  for (const [name, value] of call.query) {
    const known = names.find((one) => one === name);
    if (known === undefined || found[known] !== undefined) {
      throw new GatewayError('not-supported', `the parameters are ${names.join(', ')}, each once`);
    }
    found[known] = value;
  }
  return found;
}

/** A decimal number from 0 without leading zeros; undefined when the text is none. */
export function countOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  const count = Number(text);
  return Number.isSafeInteger(count) ? count : undefined;
}
