/**
 * "No audit record, no answer" (DESIGN section 3): one event for each patient concerned, sealed in that patient's AUDIT
 * lockbox and anchored before the promise resolves. Events of concurrent requests share a batch and a commit.
 */
import type { AccessEvent, AccessInteraction, AccessOutcome } from '../audit/access-event.ts';
import { auditEventOf } from '../audit/audit-event.ts';
import type { Clock } from '../core/clock.ts';
import type { ResourceKey } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { randomUuid, type Random } from '../core/random.ts';
import type { AccessWriter } from '../write/writer.ts';
import type { PatientIds } from './patient-ids.ts';

/** Why a decision was what it was. */
export interface Reasons {
  readonly reasons: readonly string[];
  readonly combiner: string;
  readonly consents: readonly string[];
}

export interface Access {
  readonly principal: Principal;
  readonly interaction: AccessInteraction;
  readonly outcome: AccessOutcome;
  /** Whose trail it belongs to; undefined: the gateway's own. */
  readonly patient: ResourceKey | undefined;
  /** `Type/id` or `Type/id/_history/version`. */
  readonly references: readonly string[];
  readonly reasons?: Reasons | undefined;
  readonly query?: string;
  readonly count?: number;
  readonly requestId: string;
}

export interface AccessRecorder {
  /** Durable on return. Not idempotent; the caller does not retry but fails the request. Errors: `unavailable`, `storage-full`. */
  record(access: Access): Promise<void>;
}

export interface RecordDeps {
  readonly writer: AccessWriter;
  readonly patients: PatientIds;
  readonly clock: Clock;
  readonly random: Random;
  readonly origin: string;
}

export function accessRecorder(deps: RecordDeps): AccessRecorder {
  return {
    async record(access) {
      const { patient, reasons, query, count } = access;
      const patientId = patient === undefined ? undefined : await deps.patients.idOf(patient);
      const event: AccessEvent = {
        id: randomUuid(deps.random),
        recorded: deps.clock.now(),
        interaction: access.interaction,
        outcome: access.outcome,
        reasons: reasons?.reasons ?? [],
        combiner: reasons?.combiner ?? '',
        consents: reasons?.consents ?? [],
        principal: access.principal,
        patientId,
        references: access.references,
        requestId: access.requestId,
        ...(query === undefined ? {} : { query }),
        ...(count === undefined ? {} : { count }),
      };
      await deps.writer.recordAccess({ patient, event: auditEventOf(event, deps.origin) });
    },
  };
}
