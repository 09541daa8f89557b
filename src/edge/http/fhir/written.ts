/** The answer to a single write, as `Prefer: return` wants it. */
import type { Written } from '../../../services/write-resource.ts';
import type { Answer, Call } from './call.ts';
import { returnPreference, versionHeaders, type ReturnPreference } from './headers.ts';
import { success } from './outcome.ts';

/** Status 201 with Location for what was made, 200 for what was replaced or stayed as it is. */
export function writtenAnswer(call: Call, { result, leaf }: Written): Answer {
  const preference = returnPreference(call);
  const { type, id, versionId, outcome } = result;
  const headers = {
    ...versionHeaders(result, result.group),
    ...(result.group === undefined ? { 'Anamnesis-Leaf': String(leaf) } : {}),
    Location: `${call.base}/${type}/${id}/_history/${versionId}`,
  };
  const body = bodyOf(preference, result);
  return { status: outcome === 'created' ? 201 : 200, headers, ...(body === undefined ? {} : { body }) };
}

function bodyOf(preference: ReturnPreference, { resource, outcome }: Written['result']): object | undefined {
  if (preference === 'minimal') return undefined;
  return preference === 'representation' ? resource : success(outcome);
}
