/**
 * The value by which `decide()` allows an opening. A Permit is branded and made only inside `consent/`: `record/open`
 * takes one, so a read that was not decided does not compile. A SystemPermit is for the gateway's own work, for one of a
 * closed list of reasons; nothing in `edge/` can reach its mint.
 */
import type { ResourceKey } from '../core/ids.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import type { LabelSet } from '../labels/label.ts';

declare const minted: unique symbol;

/** What only the opened record can tell: applied by `open()` before it hands anything out. */
export type ResidualPredicate = (resource: Resource) => boolean;

export interface Permit {
  readonly [minted]: 'Permit';
  readonly kind: 'permit';
  readonly patient: ResourceKey | undefined;
  readonly labels: LabelSet;
  /** True for a record that this permit covers; records it refuses must leave no trace in the answer. */
  readonly residual: ResidualPredicate;
  /** What holds when the residual predicate refuses the one record that was asked for: 403 when true, else 404. */
  readonly mayKnowPatient: boolean;
  /** Stable codes that say why, for the audit trail and `explain`. No PHI. */
  readonly reasons: readonly string[];
  /** Version of the combining rule and of the policy that decided, `deny-overrides/1 default/1`. */
  readonly combiner: string;
  /** The Consents that took part, as `Consent/<id>/_history/<version>`; for the sealed audit trail only. */
  readonly consents: readonly string[];
}

export interface Denial {
  readonly kind: 'denial';
  /** Stable codes, as in a permit. */
  readonly reasons: readonly string[];
  readonly combiner: string;
  readonly consents: readonly string[];
  /** True when the caller may know that the patient exists: 403 by id; else 404. */
  readonly mayKnowPatient: boolean;
}

export type Decision = Permit | Denial;

export const SYSTEM_REASONS = [
  'apply',
  'consent',
  'merge',
  'reindex',
  'relabel',
  'settle',
  'project',
  'reprocess',
  'render',
] as const;
export type SystemReason = (typeof SYSTEM_REASONS)[number];

export interface SystemPermit {
  readonly [minted]: 'SystemPermit';
  readonly kind: 'system';
  readonly reason: SystemReason;
}

/** Mints a system permit. Not importable from `edge/` (architecture test). */
export function systemPermit(reason: SystemReason): SystemPermit {
  return Object.freeze({ kind: 'system', reason }) as SystemPermit;
}

/** Mints a permit: for `consent/decide` alone (architecture test). */
export function mintPermit(fields: Omit<Permit, typeof minted | 'kind'>): Permit {
  return Object.freeze({ kind: 'permit', ...fields }) as Permit;
}
