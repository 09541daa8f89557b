/**
 * Who asks. Made by `identity/` from a verified token (or from a configured source), read by `consent/`. An argument
 * everywhere, never ambient.
 */
export type Role = 'practitioner' | 'patient' | 'system' | 'researcher';

/** v3-PurposeOfUse codes that tokens may carry. */
export type Purpose =
  'TREAT' | 'ETREAT' | 'BTG' | 'HPAYMT' | 'HOPERAT' | 'HRESCH' | 'PATRQT' | 'FAMRQT' | 'PUBHLTH' | 'CLINTRCH';

export type Interaction = 'create' | 'read' | 'update' | 'delete' | 'search';

/** What a token lets its bearer see and change of the gateway itself. `write` includes `read`. */
export type AdminRight = 'read' | 'write';

/** One SMART v2 scope, parsed: `user/Observation.rs` -> level user, type Observation, interactions read and search. */
export interface Scope {
  readonly level: 'patient' | 'user' | 'system';
  /** A resource type, or `*`. */
  readonly type: string;
  readonly interactions: ReadonlySet<Interaction>;
}

export interface Principal {
  readonly issuer: string;
  readonly subject: string;
  readonly role: Role;
  /** The client application (`client_id` or `azp`), when the token names one. */
  readonly client?: string;
  /** FHIR logical id of the Patient the token is bound to. Always there for role patient. */
  readonly patient?: string;
  /** A FHIR reference (`Practitioner/…`) of the person, when the token says so (`fhirUser`). */
  readonly fhirUser?: string;
  /** The person's organisation as a FHIR reference or identifier value, when the token says so. */
  readonly organization?: string;
  readonly purpose: Purpose;
  readonly scopes: readonly Scope[];
  /** Scopes `admin.read` and `admin.write`; absent without them. */
  readonly admin?: AdminRight;
  /** True when the token was issued by this institution's own issuer. */
  readonly ownInstitution: boolean;
  /** JWT id, for the audit trail. */
  readonly tokenId?: string;
}
