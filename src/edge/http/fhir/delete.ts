/** delete: `DELETE [base]/[type]/[id]` (R4 http, 3.1.0.7). What was there stays in the history. */
import type { WriteDeps } from '../../../services/write-changes.ts';
import { deleteResource } from '../../../services/write-resource.ts';
import { refuseParameters, type Handler } from './call.ts';
import { etag, ifMatch, refuseConditions } from './headers.ts';

export function remove(deps: WriteDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    refuseConditions(call, 'If-None-Match');
    const { principal, requestId, type, id } = call;
    const { result, leaf } = await deleteResource(deps, { principal, requestId, type, id, ifVersion: ifMatch(call) });
    return { status: 204, headers: { ETag: etag(result.versionId), 'Anamnesis-Leaf': String(leaf) } };
  };
}
