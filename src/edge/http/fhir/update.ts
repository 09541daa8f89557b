/** update: `PUT [base]/[type]/[id]` (R4 http, 3.1.0.4), creating what is not there; `If-Match` guards against lost updates. */
import type { WriteDeps } from '../../../services/write-changes.ts';
import { updateResource } from '../../../services/write-resource.ts';
import { refuseParameters, type Handler } from './call.ts';
import { ifMatch, refuseConditions, returnPreference } from './headers.ts';
import { writtenAnswer } from './written.ts';

export function update(deps: WriteDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    refuseConditions(call, 'If-None-Exist', 'If-None-Match');
    returnPreference(call);
    const { principal, requestId, type, id } = call;
    const request = { principal, requestId, type, id, ifVersion: ifMatch(call) };
    return writtenAnswer(call, await updateResource(deps, request, call.body));
  };
}
