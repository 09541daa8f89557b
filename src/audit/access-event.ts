/**
 * What is anchored about one request before it is answered ("no audit record, no answer", DESIGN section 3). One event a
 * patient: a search that touched three charts makes three. Sealed in the patient's AUDIT lockbox, so that identifiers and
 * queries may stand in it; the gateway's own for what concerns no patient.
 */
import type { Principal } from '../core/principal.ts';

/** Codes of http://hl7.org/fhir/restful-interaction that are recorded. */
export type AccessInteraction =
  'read' | 'vread' | 'history-instance' | 'search-type' | 'create' | 'update' | 'delete' | 'transaction' | 'operation';

/** `not-found`: nothing was there, or nothing that may be known of. */
export type AccessOutcome = 'permitted' | 'denied' | 'not-found';

export interface AccessEvent {
  /** Logical id of the AuditEvent: a random UUID, given by the caller. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly recorded: number;
  readonly interaction: AccessInteraction;
  readonly outcome: AccessOutcome;
  /** Codes of the decision (docs/consent.md) and the version of the rule that made it. */
  readonly reasons: readonly string[];
  readonly combiner: string;
  /** Consents that took part, `Consent/<id>/_history/<version>`. */
  readonly consents: readonly string[];
  readonly principal: Principal;
  /** Logical id of the Patient concerned; undefined for the directory and for what was not found. */
  readonly patientId: string | undefined;
  /** Resources that were handed out or refused, `Type/id/_history/version`. */
  readonly references: readonly string[];
  /** Searches: the request as it came, from the type on (`Observation?code=...`). */
  readonly query?: string;
  /** Searches: records handed out. */
  readonly count?: number;
  readonly requestId?: string;
  /** IP address of the client, as the connection tells. */
  readonly address?: string;
}
