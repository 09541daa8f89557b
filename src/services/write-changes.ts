/** The common part of every FHIR write: the decisions, and one submission to the writer. Durable and anchored when it returns. */
import type { Clock } from '../core/clock.ts';
import type { Change } from '../formats/fhir/change.ts';
import { resourceKey } from '../keys/index-secret.ts';
import type { Details } from '../record/manifest.ts';
import type { Accepted, Writer } from '../write/submission.ts';
import {
  firstDenial,
  questionsOf,
  recordDenial,
  refuseBefore,
  type AuthorizeDeps,
  type Denied,
  type WriteRequest,
} from './authorize-write.ts';
import { refusal } from './open-version.ts';

export interface WriteDeps extends AuthorizeDeps {
  readonly writer: Writer;
  readonly clock: Clock;
}

/**
 * One message to the writer. Throws what the writer throws, and `forbidden` or `not-found` for a denial, which is recorded.
 * Decides twice: before anything is prepared, so that errors about what is stored (an identifier is taken, a version is
 * another, a patient is unknown) are heard only by who may know; and on every target with its content.
 */
export async function submitChanges(
  deps: WriteDeps,
  request: WriteRequest,
  changes: readonly Change[],
): Promise<Accepted> {
  const { principal } = request;
  await refuseBefore(deps, request, changes);
  const now = deps.clock.now();
  let denied: Denied | undefined;
  try {
    return await deps.writer.submit({
      kind: 'fhir',
      source: `client:${principal.client ?? principal.role}`,
      changes,
      receivedAt: now,
      sourceTime: now,
      details: detailsOf(deps, request),
      async authorize(targets) {
        denied = await firstDenial(deps, principal, targets.flatMap(questionsOf));
        if (denied !== undefined) throw refusal(denied.mayKnow);
      },
    });
  } catch (error) {
    if (denied !== undefined) await recordDenial(deps, request, denied);
    throw error;
  }
}

/** What the manifest says of who wrote. A patient stands there as a keyed digest only: erasure does not reach manifests. */
function detailsOf(deps: WriteDeps, { principal, interaction, requestId }: WriteRequest): Details {
  const { issuer, subject, role, client, patient, purpose } = principal;
  const isPatient = role === 'patient';
  return {
    interaction,
    requestId,
    agent: {
      issuer,
      role,
      purpose,
      ...(client === undefined ? {} : { client }),
      ...(isPatient ? {} : { subject }),
      ...(isPatient && patient !== undefined
        ? { patient: resourceKey(deps.keyring.gatewaySecret, 'Patient', patient) }
        : {}),
    },
  };
}
