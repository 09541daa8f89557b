/** create: `POST [base]/[type]` (R4 http, 3.1.0.8). */
import type { WriteDeps } from '../../../services/write-changes.ts';
import { createResource } from '../../../services/write-resource.ts';
import { refuseParameters, type Handler } from './call.ts';
import { refuseConditions, returnPreference } from './headers.ts';
import { writtenAnswer } from './written.ts';

export function create(deps: WriteDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    refuseConditions(call, 'If-None-Exist', 'If-Match', 'If-None-Match');
    returnPreference(call);
    return writtenAnswer(call, await createResource(deps, call, call.body));
  };
}
