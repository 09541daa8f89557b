/** history-instance: `GET [base]/[type]/[id]/_history` (R4 http, 3.1.0.12), newest first, paged by `_count`. */
import { GatewayError } from '../../../core/errors.ts';
import { SEARCH_DEFAULT_COUNT } from '../../../core/limits.ts';
import { isTombstone } from '../../../formats/fhir/resource.ts';
import type { ReadVersion } from '../../../services/open-version.ts';
import { readHistory } from '../../../services/read-history.ts';
import type { RenderDeps } from '../../../services/render-message.ts';
import type { Call, Handler } from './call.ts';
import { etag } from './headers.ts';

/** `maxCount`: largest page, in versions. */
export function historyInstance(deps: RenderDeps, maxCount: number): Handler {
  return async (call) => {
    const { count, before } = parametersOf(call, maxCount);
    const page = await readHistory(deps, { ...request(call), count, before });
    const self = `${call.base}/${call.type}/${call.id}/_history`;
    const link = [
      { relation: 'self', url: `${self}?_count=${count}${before === undefined ? '' : `&_before=${before}`}` },
      ...(page.next === undefined ? [] : [{ relation: 'next', url: `${self}?_count=${count}&_before=${page.next}` }]),
    ];
    const entry = page.versions.map((version) => entryOf(call, version));
    return { status: 200, body: { resourceType: 'Bundle', type: 'history', link, entry } };
  };
}

function request({ principal, type, id, requestId }: Call): Pick<Call, 'principal' | 'type' | 'id' | 'requestId'> {
  return { principal, type, id, requestId };
}

function parametersOf(call: Call, maxCount: number): { count: number; before: number | undefined } {
  let count = Math.min(SEARCH_DEFAULT_COUNT, maxCount);
  let before: number | undefined;
  for (const [name, value] of call.query) {
    if (name !== '_count' && name !== '_before') {
      throw new GatewayError('not-supported', 'the history takes _count and the links of its own pages only');
    }
    if (!/^[1-9]\d{0,8}$/.test(value)) {
      throw new GatewayError('invalid-syntax', `${name}: must be a number from 1`);
    }
    if (name === '_count') count = Math.min(Number(value), maxCount);
    else before = Number(value);
  }
  return { count, before };
}

function entryOf(call: Call, { resource }: ReadVersion): object {
  const { versionId, lastUpdated } = resource.meta;
  const { type, id } = call;
  const gone = isTombstone(resource);
  const first = versionId === '1';
  return {
    fullUrl: `${call.base}/${type}/${id}`,
    ...(gone ? {} : { resource }),
    request: gone
      ? { method: 'DELETE', url: `${type}/${id}` }
      : { method: first ? 'POST' : 'PUT', url: first ? type : `${type}/${id}` },
    response: {
      status: gone ? '204' : first ? '201' : '200',
      etag: etag(versionId),
      lastModified: lastUpdated,
    },
  };
}
