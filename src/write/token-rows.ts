/**
 * Token rows of sealed groups: one row for each token and sort time, with a mask of lines (DESIGN section 7). Turning
 * token parts into keyed tokens is the dearest pure step of intake, so what was keyed before is remembered: inside a
 * message for both secrets, across messages for the gateway's, whose vocabulary (codes, categories, states) repeats.
 */
import { Lru } from '../core/lru.ts';
import { INTERNAL_TYPES } from '../formats/fhir/internal-types.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { searchToken, type IndexSecret } from '../keys/index-secret.ts';
import { visitEntries } from '../search/extract.ts';
import type { TokenRow } from './ports.ts';

/** Token parts, and the one text that stands for them, to the keyed token. */
export type Keyed = (parts: readonly string[], name: string) => bigint;

/** Tokens of the gateway's vocabulary kept in memory; identifiers and times pass through without pushing it out for long. */
const VOCABULARY = 32_768;
/** Not in any part: parts are codes, identifiers and words of normalised text. */
const JOINT = '\u0000';

/** Tokens under the gateway's secret, with memory. Bounded; holds parts of index entries in clear, in memory only. */
export function gatewayTokens(secret: IndexSecret): Keyed {
  return remembering(secret, new Lru<string, bigint>(VOCABULARY));
}

/** Tokens under a patient's secret, remembered for one message. */
export function patientTokens(secret: IndexSecret): Keyed {
  return remembering(secret, new Map<string, bigint>());
}

function remembering(
  secret: IndexSecret,
  memory: Pick<Map<string, bigint>, 'get'> & { set(key: string, value: bigint): unknown },
): Keyed {
  return (parts, name) => {
    const known = memory.get(name);
    if (known !== undefined) return known;
    const token = searchToken(secret, parts);
    memory.set(name, token);
    return token;
  };
}

/** Lines of a group as two 32-bit masks. */
interface Lines {
  readonly sortTime: number;
  low: number;
  high: number;
}

interface TokenLines {
  readonly token: bigint;
  /** One for each sort time; nearly always there is but one. */
  readonly times: Lines[];
}

/** The rows of one sealed group. Entries are told apart by name, since comparing and hashing 64-bit numbers is dear here. */
export class TokenRows {
  readonly #gateway = new Map<string, TokenLines>();
  readonly #patient = new Map<string, TokenLines>();
  /** What the resource in hand enters, until its sort time is known. */
  #entered: TokenLines[] = [];

  /** Enters all tokens of the resource at a line. `patient`: of the patient that it belongs to, where there is one. */
  addResource(resource: StoredResource, line: number, gateway: Keyed, patient: Keyed | undefined): void {
    if (INTERNAL_TYPES.has(resource.resourceType)) return;
    this.#entered = [];
    const sortTime = visitEntries(
      resource,
      (parts) => this.#enter(this.#gateway, gateway, parts),
      (parts) => patient && this.#enter(this.#patient, patient, parts),
    );
    for (const { times } of this.#entered) {
      let lines = times.find((known) => known.sortTime === sortTime);
      if (lines === undefined) times.push((lines = { sortTime, low: 0, high: 0 }));
      if (line < 32) lines.low |= 1 << line;
      else lines.high |= 1 << (line - 32);
    }
  }

  #enter(rows: Map<string, TokenLines>, keyed: Keyed, parts: readonly string[]): void {
    const name = parts.join(JOINT);
    let row = rows.get(name);
    if (row === undefined) rows.set(name, (row = { token: keyed(parts, name), times: [] }));
    this.#entered.push(row);
  }

  *rows(payload: number): Iterable<TokenRow> {
    for (const rows of [this.#gateway, this.#patient]) {
      for (const { token, times } of rows.values()) {
        for (const { sortTime, low, high } of times) yield { token, sortTime, payload, low, high };
      }
    }
  }
}
