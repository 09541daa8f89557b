/** vread: `GET [base]/[type]/[id]/_history/[vid]` (R4 http, 3.1.0.2). */
import type { RenderDeps } from '../../../services/render-message.ts';
import { readVersion } from '../../../services/read-version.ts';
import type { Handler } from './call.ts';
import { refuseParameters } from './call.ts';
import { isKnown, versionHeaders } from './headers.ts';

export function vread(deps: RenderDeps): Handler {
  return async (call) => {
    refuseParameters(call);
    const { resource, group } = await readVersion(deps, call, call.version);
    const headers = versionHeaders(resource.meta, group);
    return isKnown(call, resource) ? { status: 304, headers } : { status: 200, headers, body: resource };
  };
}
