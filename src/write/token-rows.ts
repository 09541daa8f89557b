/**
 * Token rows of sealed groups: one row for each token and sort time, with a mask of lines (DESIGN section 7). Turning
 * token parts into keyed tokens is the dearest pure step of intake, so what was keyed before is remembered: inside a
 * message for both secrets, across messages for the gateway's, whose vocabulary (codes, categories, states) repeats.
 */
import { Lru } from '../core/lru.ts';
import { INTERNAL_TYPES } from '../formats/fhir/internal-types.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { searchToken, type IndexSecret } from '../keys/index-secret.ts';
import { indexEntries } from '../search/extract.ts';
import type { CommitItem } from './ports.ts';

/** Token parts to the keyed token. */
export type Keyed = (parts: readonly string[]) => bigint;

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
  return (parts) => {
    const name = parts.join(JOINT);
    const known = memory.get(name);
    if (known !== undefined) return known;
    const token = searchToken(secret, parts);
    memory.set(name, token);
    return token;
  };
}

export class TokenRows {
  readonly #rows = new Map<bigint, Map<number, bigint>>();

  /** Enters all tokens of the resource at a line. `patient`: of the patient that it belongs to, where there is one. */
  addResource(resource: StoredResource, line: number, gateway: Keyed, patient: Keyed | undefined): void {
    if (INTERNAL_TYPES.has(resource.resourceType)) return;
    const entries = indexEntries(resource);
    for (const parts of entries.gateway) this.#add(gateway(parts), entries.sortTime, line);
    if (patient !== undefined) for (const parts of entries.patient) this.#add(patient(parts), entries.sortTime, line);
  }

  #add(token: bigint, sortTime: number, line: number): void {
    let times = this.#rows.get(token);
    if (times === undefined) this.#rows.set(token, (times = new Map()));
    times.set(sortTime, (times.get(sortTime) ?? 0n) | (1n << BigInt(line)));
  }

  *rows(payload: number): Iterable<CommitItem['tokens'][number]> {
    for (const [token, times] of this.#rows) {
      for (const [sortTime, mask] of times) yield { token, sortTime, payload, mask };
    }
  }
}
