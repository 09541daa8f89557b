/**
 * What a search leaves in the audit trail: one event for every patient whose records were handed out; where nothing was, one
 * for the patient it asked for, or for the gateway. Candidates that were denied in a search across patients leave none of
 * their own: nobody knows whether they would have matched.
 */
import { groupBy } from '../core/group-by.ts';
import type { ResourceKey } from '../core/ids.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { Plan } from '../search/plan.ts';
import type { Match } from './open-matches.ts';
import type { ReadDeps } from './open-version.ts';
import type { Access } from './record-access.ts';
import type { SearchRequest } from './search-request.ts';

/** What was searched: `named` by the request, `plan` with the other charts of whom it named. */
interface Searched {
  readonly plan: Plan;
  readonly named: Plan;
}

/** Resolves when all events are durable. */
export async function recordSearch(
  deps: ReadDeps,
  request: SearchRequest,
  searched: Searched,
  matches: readonly Match[],
  denied: ReadonlySet<ResourceKey>,
): Promise<void> {
  const byPatient = groupBy(matches, ({ patient }) => patient);
  const asked = await askedPatients(deps, searched.plan);
  const people = (await askedPatients(deps, searched.named)).length;
  // The parameters of a search across patients may name others: they stand in the gateway's own event only.
  const isAboutOne = people === 1 || (people === 0 && byPatient.size === 1);
  const events = [...byPatient].map(([patient, theirs]): Access => {
    const [first] = theirs;
    return {
      ...common(request),
      outcome: 'permitted',
      patient,
      references: theirs.map(
        ({ resource }) => `${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`,
      ),
      reasons: first.permit,
      count: theirs.length,
      ...(isAboutOne ? { query: queryOf(request) } : {}),
    };
  });
  for (const patient of asked) {
    if (byPatient.has(patient)) continue;
    const outcome = denied.has(patient) ? 'denied' : 'permitted';
    events.push({
      ...common(request),
      outcome,
      patient,
      references: [],
      count: 0,
      ...(isAboutOne ? { query: queryOf(request) } : {}),
    });
  }
  if (events.length === 0 || (byPatient.size > 1 && !isAboutOne)) {
    events.push({
      ...common(request),
      outcome: 'permitted',
      patient: undefined,
      references: [],
      query: queryOf(request),
      count: matches.length,
    });
  }
  await Promise.all(events.map((event) => deps.recorder.record(event)));
}

function common({ principal, requestId }: SearchRequest): Pick<Access, 'principal' | 'requestId' | 'interaction'> {
  return { principal, requestId, interaction: 'search-type' };
}

/** Patients that the search named and that are known here. */
async function askedPatients(deps: ReadDeps, plan: Plan): Promise<readonly ResourceKey[]> {
  if (plan.kind !== 'scan' || plan.patients === undefined) return [];
  const keys = plan.patients.map((id) => resourceKey(deps.keyring.gatewaySecret, 'Patient', id));
  const known = await deps.keyring.patientSecrets(keys);
  return keys.filter((key) => known.has(key));
}

function queryOf({ type, parameters }: SearchRequest): string {
  const text = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
  return text === '' ? type : `${type}?${text}`;
}
