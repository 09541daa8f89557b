/** What a search needs, is asked and answers. */
import type { Clock } from '../core/clock.ts';
import type { GroupNumber } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import type { Random } from '../core/random.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import type { RenderDeps } from './render-message.ts';

export interface SearchDeps extends RenderDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** Largest `_count`; at most SEARCH_MAX_COUNT. */
  readonly maxCount: number;
}

export interface SearchRequest {
  readonly principal: Principal;
  readonly type: string;
  readonly parameters: readonly (readonly [string, string])[];
  /** Base URL of the FHIR endpoint: references that begin with it are local. */
  readonly base: string;
  readonly requestId: string;
  /** Aborted when nobody waits for the page any more: the search ends with `timeout`. */
  readonly signal?: AbortSignal;
}

export interface SearchPage {
  readonly matches: readonly { readonly resource: StoredResource; readonly group: GroupNumber }[];
  /** Exact, over what the caller may see; undefined when it was not counted. */
  readonly total: number | undefined;
  /** Token of the next page; undefined on the last one. */
  readonly next: string | undefined;
  /** The parameters of the search, those inside a paging token included. */
  readonly parameters: readonly (readonly [string, string])[];
}
