/** Instance history: the versions of one resource that the caller may see, newest first. */
import { GatewayError } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { notFound, openVersions, refusal, type ReadRequest, type ReadVersion } from './open-version.ts';
import { readRendered } from './read-rendered.ts';
import type { Reasons } from './record-access.ts';
import type { RenderDeps } from './render-message.ts';
import { leafOfRenderedId } from './rendered-id.ts';

export interface HistoryRequest extends ReadRequest {
  /** Versions of one page at most. */
  readonly count: number;
  /** Only versions below this number: where the page before ended. */
  readonly before: number | undefined;
}

export interface HistoryPage {
  readonly versions: readonly ReadVersion[];
  /** Where the next page begins; undefined on the last one. */
  readonly next: number | undefined;
}

/**
 * Recorded before it returns. Versions that the caller may not see are left out; when that is all of them, it is as for
 * a read. Throws `not-found`, `forbidden`.
 */
export async function readHistory(deps: RenderDeps, request: HistoryRequest): Promise<HistoryPage> {
  const { principal, type, id, count, requestId } = request;
  const leaf = leafOfRenderedId(type, id);
  if (leaf !== undefined) {
    return { versions: [await readRendered(deps, request, 'history-instance', leaf)], next: undefined };
  }
  const key = resourceKey(deps.keyring.gatewaySecret, type, id);
  const versions: ReadVersion[] = [];
  let before = request.before ?? Number.MAX_SAFE_INTEGER;
  let patient: ResourceKey | undefined;
  let reasons: Reasons | undefined;
  let refused: { readonly mayKnow: boolean; readonly reasons: Reasons } | undefined;
  let more = false;
  for (;;) {
    // One more than asked for tells whether there is another page.
    const stored = await deps.records.history(key, Math.min(before, 2 ** 31 - 1), count + 1);
    const all = await openVersions(deps, principal, type, stored);
    for (const [i, version] of stored.entries()) {
      const opened = all[i];
      patient ??= opened.patient;
      if (opened.outcome.kind === 'refused') {
        refused ??= opened.outcome;
      } else if (versions.length === count) {
        more = true;
        break;
      } else {
        reasons ??= opened.outcome.reasons;
        versions.push({ resource: opened.outcome.resource, group: version.group });
      }
      before = version.version;
    }
    if (more || stored.length <= count) break;
  }
  const nothing = versions.length === 0;
  await deps.recorder.record({
    principal,
    interaction: 'history-instance',
    outcome: !nothing ? 'permitted' : refused === undefined ? 'not-found' : 'denied',
    patient,
    references: nothing
      ? [`${type}/${id}`]
      : versions.map(({ resource }) => `${type}/${id}/_history/${resource.meta.versionId}`),
    requestId,
    reasons: reasons ?? refused?.reasons,
  });
  if (nothing) {
    if (refused !== undefined) throw refusal(refused.mayKnow);
    if (request.before !== undefined) throw new GatewayError('gone', 'the history has no such page');
    throw notFound();
  }
  return { versions, next: more ? before : undefined };
}
