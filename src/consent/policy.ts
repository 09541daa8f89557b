/**
 * The configured policy: what holds where no Consent speaks, and how Consents are read. Data, so that a decision can
 * name its version. The first matching default rule decides; no match denies.
 */
import { createHash } from 'node:crypto';
import type { Interaction, Principal, Purpose, Role } from '../core/principal.ts';

/** Label sets are judged by what kind of record they hold. */
export type RecordKind = 'clinical' | 'consent' | 'audit' | 'directory';

export interface DefaultRule {
  /** Stable code, the reason of a decision that rests on it. */
  readonly id: string;
  readonly roles: readonly Role[];
  /** True: only principals whose token this institution issued. */
  readonly ownInstitution: boolean;
  /** Undefined: any purpose. */
  readonly purposes: readonly Purpose[] | undefined;
  readonly actions: readonly Interaction[];
  readonly records: readonly RecordKind[];
}

export interface Policy {
  /** Version of this policy's text, part of every decision. Change it with the rules. */
  readonly version: string;
  /** Between Consents. `pcf` (IHE: a residual permit overrides) is not there yet. */
  readonly combining: 'deny-overrides';
  /** The institution itself, as FHIR references (`Organization/1`) and identifiers (`system|value`), to know it as an actor. */
  readonly ownOrganizations: readonly string[];
  /** Base URLs under which this gateway's own resources are referenced, without the last slash. */
  readonly ownBases: readonly string[];
  /** True: a Consent permits only when `verification.verified` is true. A denial counts unverified too. */
  readonly verifiedOnly: boolean;
  readonly defaults: readonly DefaultRule[];
}

const READ: readonly Interaction[] = ['read', 'search'];
const WRITE: readonly Interaction[] = ['create', 'update', 'delete'];
const TREATMENT: readonly Purpose[] = ['TREAT', 'ETREAT'];

/**
 * DESIGN section 8, "No Consent". Rules for a patient apply to that patient's own record alone (`decide` sees to it).
 * A practitioner may record a Consent that the patient signed on paper, but not change or delete one: a new denial
 * overrides, so a withdrawal never needs it.
 */
export const DEFAULT_RULES: readonly DefaultRule[] = [
  {
    id: 'own-data',
    roles: ['patient'],
    ownInstitution: false,
    purposes: undefined,
    actions: READ,
    records: ['clinical', 'audit'],
  },
  {
    id: 'own-consent',
    roles: ['patient'],
    ownInstitution: false,
    purposes: undefined,
    actions: [...READ, ...WRITE],
    records: ['consent'],
  },
  {
    id: 'own-institution-treatment',
    roles: ['practitioner'],
    ownInstitution: true,
    purposes: TREATMENT,
    actions: [...READ, ...WRITE],
    records: ['clinical'],
  },
  {
    id: 'own-institution-system',
    roles: ['system'],
    ownInstitution: true,
    purposes: TREATMENT,
    actions: [...READ, ...WRITE],
    records: ['clinical', 'consent'],
  },
  {
    id: 'consent-known-to-treating',
    roles: ['practitioner'],
    ownInstitution: true,
    purposes: TREATMENT,
    actions: [...READ, 'create'],
    records: ['consent'],
  },
  {
    id: 'directory',
    roles: ['practitioner', 'patient', 'system', 'researcher'],
    ownInstitution: false,
    purposes: undefined,
    actions: READ,
    records: ['directory'],
  },
  {
    id: 'directory-kept-by-institution',
    roles: ['practitioner', 'system'],
    ownInstitution: true,
    purposes: TREATMENT,
    actions: WRITE,
    records: ['directory'],
  },
  {
    id: 'audit-submitted',
    roles: ['system'],
    ownInstitution: true,
    purposes: undefined,
    actions: ['create'],
    records: ['audit'],
  },
];

export const DEFAULT_POLICY: Policy = {
  version: 'default/1',
  combining: 'deny-overrides',
  ownOrganizations: [],
  ownBases: [],
  verifiedOnly: false,
  defaults: DEFAULT_RULES,
};

/**
 * The default rules for one institution. `organizations` as `Policy.ownOrganizations`; they are part of the version, since
 * they are part of what is decided. `bases`: asked for each decision, since a listener may learn its address late.
 */
export function policyOf(organizations: readonly string[], bases: () => readonly string[]): Policy {
  return {
    ...DEFAULT_POLICY,
    version: [DEFAULT_POLICY.version, ...digestOf(organizations)].join('+'),
    ownOrganizations: organizations,
    get ownBases() {
      return bases();
    },
  };
}

/** 8 hex digits for a list of names, whatever its order; nothing for none. */
function digestOf(names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const text = JSON.stringify([...new Set(names)].toSorted());
  return [createHash('sha256').update(text).digest('hex').slice(0, 8)];
}

/** Version of the combining rule: deny overrides between Consents, the deepest matching provision speaks in each branch. */
export const COMBINER_VERSION = 'deny-overrides/1';

/** What every decision names: combining rule and policy. */
export function combinerOf(policy: Policy): string {
  return `${COMBINER_VERSION} ${policy.version}`;
}

/** The default rule that permits; undefined when the default is to deny. */
export function defaultRule(
  policy: Policy,
  principal: Principal,
  purpose: Purpose,
  action: Interaction,
  record: RecordKind,
): DefaultRule | undefined {
  return policy.defaults.find(
    (rule) =>
      rule.roles.includes(principal.role) &&
      (!rule.ownInstitution || principal.ownInstitution) &&
      (rule.purposes === undefined || rule.purposes.includes(purpose)) &&
      rule.actions.includes(action) &&
      rule.records.includes(record),
  );
}
