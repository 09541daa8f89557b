/**
 * search-type: `GET [base]/[type]?...` and `POST [base]/[type]/_search` (R4 http, 3.1.0.9). The links of its pages hold an
 * encrypted token and no parameters.
 */
import type { SearchDeps, SearchPage } from '../../../services/search-request.ts';
import { searchResources } from '../../../services/search-resources.ts';
import type { Call, Handler, Parameters } from './call.ts';
import { refuseConditions, returnPreference } from './headers.ts';

export function search(deps: SearchDeps): Handler {
  return (call) => run(deps, call, call.query);
}

/** Parameters of the URL and of the form together. */
export function searchByForm(deps: SearchDeps): Handler {
  return (call) => run(deps, call, [...call.query, ...call.form]);
}

async function run(
  deps: SearchDeps,
  call: Call,
  parameters: Parameters,
): Promise<{ readonly status: number; readonly body: object }> {
  refuseConditions(call, 'If-None-Match', 'If-Match');
  returnPreference(call);
  const { principal, type, base, requestId, signal } = call;
  const page = await searchResources(deps, { principal, type, parameters, base, requestId, signal });
  return { status: 200, body: bundleOf(call, page) };
}

function bundleOf({ base, type }: Call, { matches, total, next, parameters }: SearchPage): object {
  const query = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  const link = [
    { relation: 'self', url: query === '' ? `${base}/${type}` : `${base}/${type}?${query}` },
    ...(next === undefined ? [] : [{ relation: 'next', url: `${base}/${type}?_cursor=${next}` }]),
  ];
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(total === undefined ? {} : { total }),
    link,
    ...(matches.length === 0
      ? {}
      : {
          entry: matches.map(({ resource }) => ({
            fullUrl: `${base}/${type}/${resource.id}`,
            resource,
            search: { mode: 'match' },
          })),
        }),
  };
}
