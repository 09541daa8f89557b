/** read: `GET [base]/[type]/[id]` (R4 http, 3.1.0.1). */
import { readResource } from '../../../services/read-resource.ts';
import type { RenderDeps } from '../../../services/render-message.ts';
import type { Handler } from './call.ts';
import { refuseParameters } from './call.ts';
import { isKnown, versionHeaders } from './headers.ts';

export function read(deps: RenderDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    const { resource, group } = await readResource(deps, call);
    const headers = versionHeaders(resource.meta, group);
    return isKnown(call, resource) ? { status: 304, headers } : { status: 200, headers, body: resource };
  };
}
