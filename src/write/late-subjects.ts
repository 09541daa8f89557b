/**
 * Whose record a late statement speaks of: it makes no new subject, so that nothing else would notice that it means somebody
 * else's visit or result by the same number. Its parts must not be added to the record of another patient.
 */
import { GatewayError } from '../core/errors.ts';
import { subjectOf } from '../formats/fhir/references.ts';
import { isTombstone } from '../formats/fhir/resource.ts';
import type { IndexSecret } from '../keys/index-secret.ts';
import { isLinked } from './link-chain.ts';
import { patientKey } from './patient-key.ts';
import type { PrepareStore } from './ports.ts';
import type { Target } from './target.ts';

/** Throws `business-rule` for a late statement about a record of a patient whom nothing links to the one that it names. */
export async function refuseStrangers(
  store: Pick<PrepareStore, 'links'>,
  secret: IndexSecret,
  targets: readonly Target[],
): Promise<void> {
  for (const target of targets) {
    const { type, current, lateSubjects } = target;
    if (lateSubjects.size === 0 || type === 'Patient' || current === undefined || isTombstone(current)) continue;
    const owner = patientKey(secret, subjectOf(current));
    const others = [...lateSubjects].map((subject) => patientKey(secret, subject)).filter((key) => key !== owner);
    if (owner === undefined || others.length === 0) continue;
    const links = await store.links([owner]);
    if (others.every((key) => key === undefined || isLinked(links, owner, key))) continue;
    throw new GatewayError('business-rule', 'the subject of an existing resource cannot change; it was left as it is', {
      expression: `${type}.subject`,
    });
  }
}
