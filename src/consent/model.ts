/**
 * FHIR R4 Consent as rules (http://hl7.org/fhir/R4/consent.html). A ConsentRule is a tree: a base rule and provisions of
 * any depth, each with conditions that are ANDed, whose repetitions are ORed. Conditions that the gateway cannot evaluate
 * stay in the tree as `not-understood`: they count as met for a denial and as unmet for a permission.
 * The types only; `parse-consent.ts` makes them, `match.ts` and `evaluate.ts` read them.
 */
import type { Coding } from '../formats/fhir/resource.ts';

export type RuleType = 'permit' | 'deny';

/** Milliseconds since 1970, start inclusive, end exclusive; an open side is infinite. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

export interface Identifier {
  readonly system: string | undefined;
  readonly value: string;
}

/** Somebody or something by reference, by identifier, or by neither (then nobody can tell who is meant). */
export interface Party {
  readonly reference: string | undefined;
  readonly identifier: Identifier | undefined;
}

/** What an actor's `role` says about it. `custodian` and `author` are about the data, not about who asks. */
export type ActorPart = 'recipient' | 'author' | 'custodian' | 'not-understood';

export interface Actor {
  readonly part: ActorPart;
  /** Role codes that name a kind of person (`PROV`, `doctor`, our own `practitioner`); they matter where no party is named. */
  readonly kinds: readonly string[];
  readonly party: Party | undefined;
}

export type DataMeaning = 'instance' | 'related' | 'dependents' | 'authoredby' | 'not-understood';

export type Condition =
  | { readonly kind: 'period'; readonly interval: Interval }
  | { readonly kind: 'actor'; readonly actors: readonly Actor[] }
  | { readonly kind: 'action'; readonly codes: readonly Coding[] }
  | { readonly kind: 'purpose'; readonly codes: readonly Coding[] }
  | { readonly kind: 'securityLabel'; readonly codes: readonly Coding[] }
  | { readonly kind: 'class'; readonly codes: readonly Coding[] }
  /** Codings of all concepts; `textOnly` when one of them has none. */
  | { readonly kind: 'code'; readonly codes: readonly Coding[]; readonly textOnly: boolean }
  | { readonly kind: 'dataPeriod'; readonly interval: Interval }
  | { readonly kind: 'data'; readonly data: readonly { readonly meaning: DataMeaning; readonly party: Party }[] }
  | { readonly kind: 'not-understood'; readonly element: string };

export interface Provision {
  /** FHIRPath of the provision inside its Consent, for `explain`. */
  readonly path: string;
  readonly type: RuleType;
  readonly conditions: readonly Condition[];
  readonly provisions: readonly Provision[];
}

export interface ConsentRule {
  readonly id: string;
  readonly version: string;
  /** `meta.lastUpdated`, milliseconds since 1970; 0 when it says none. */
  readonly lastUpdated: number;
  readonly status: string;
  /** True for scope `patient-privacy`, and where the scope cannot be read. */
  readonly privacy: boolean;
  /** `verification.verified`: any true, any false (false wins), or nothing said. */
  readonly verified: boolean | undefined;
  readonly base: Provision;
  /** FHIRPaths of what the gateway cannot evaluate, for `explain` and for a warning when the Consent is written. */
  readonly notUnderstood: readonly string[];
}

/** `Consent/<id>/_history/<version>`. */
export function consentReference(rule: ConsentRule): string {
  return `Consent/${rule.id}/_history/${rule.version}`;
}
