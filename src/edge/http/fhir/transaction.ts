/** transaction: `POST [base]` (R4 http, 3.1.0.11). All or nothing, in one group commit. */
import { runTransaction } from '../../../services/run-transaction.ts';
import type { WriteDeps } from '../../../services/write-changes.ts';
import type { Written } from '../../../services/write-resource.ts';
import { refuseParameters, type Call, type Handler } from './call.ts';
import { etag, returnPreference } from './headers.ts';

/** `maxEntries`: entries of one Bundle. */
export function transaction(deps: WriteDeps, maxEntries: number): Handler {
  return async (call) => {
    refuseParameters(call);
    const preference = returnPreference(call);
    // A loaded chart is megabytes: what was stored comes back only for who asks.
    const full = preference === 'representation' && call.header('prefer') !== undefined;
    const { principal, requestId, base } = call;
    const limits = { entries: maxEntries, base };
    const { results, leaf } = await runTransaction(deps, { principal, requestId }, call.body, limits);
    const entry = results.map((result) => entryOf(call, result, full));
    return {
      status: 200,
      headers: { 'Anamnesis-Leaf': String(leaf) },
      body: { resourceType: 'Bundle', type: 'transaction-response', ...(entry.length === 0 ? {} : { entry }) },
    };
  };
}

const STATUS = {
  created: '201 Created',
  updated: '200 OK',
  unchanged: '200 OK',
  stale: '200 OK',
  deleted: '204 No Content',
} as const;

function entryOf({ base }: Call, result: Written['result'], full: boolean): object {
  const { type, id, versionId, lastUpdated, outcome, resource } = result;
  const gone = outcome === 'deleted' || resource === undefined;
  return {
    ...(full && resource !== undefined ? { resource } : {}),
    response: {
      status: gone ? STATUS.deleted : STATUS[outcome],
      ...(gone ? {} : { location: `${base}/${type}/${id}/_history/${versionId}` }),
      etag: etag(versionId),
      lastModified: lastUpdated,
    },
  };
}
