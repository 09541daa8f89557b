/**
 * The code tables of consent rules: which purposes, actions and actor roles a code in a provision covers. Closed lists;
 * a code that is not here is not understood, which counts against a permission and for a denial.
 */
import { codeTable } from '../core/code-table.ts';
import type { Interaction, Purpose, Role } from '../core/principal.ts';
import type { Coding } from '../formats/fhir/resource.ts';

/** Whether something holds: `unknown` cannot be told at all, `later` can be told only from the opened record. */
export type Match = 'yes' | 'no' | 'unknown' | 'later';

/** Roles of our own, for rules about kinds of users where R4 has no code. */
export const ROLE_SYSTEM = 'https://anamnesis.health/fhir/role';

const REASON_SYSTEMS = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-ActReason',
  'http://terminology.hl7.org/ValueSet/v3-PurposeOfUse',
  'http://hl7.org/fhir/v3/ActReason',
]);

/**
 * v3-ActReason below PurposeOfUse: code -> its parents up to the top. Only codes outside `Purpose` need to be here; a
 * request for a parent purpose may be for the finer one, so it cannot be told.
 */
const FINER: Readonly<Record<string, readonly string[]>> = codeTable({
  CLINTRL: ['TREAT'],
  COC: ['TREAT'],
  POPHLTH: ['TREAT'],
  ERTREAT: ['ETREAT', 'TREAT'],
  BIORCH: ['HRESCH'],
  CLINTRCHNPC: ['CLINTRCH', 'HRESCH'],
  CLINTRCHPC: ['CLINTRCH', 'HRESCH'],
  PRECLINTRCH: ['CLINTRCH', 'HRESCH'],
  DSRCH: ['HRESCH'],
  POARCH: ['HRESCH'],
  TRANSRCH: ['HRESCH'],
  PWATRNY: ['PATRQT'],
  SUPNWK: ['PATRQT'],
  DISASTER: ['PUBHLTH'],
  THREAT: ['PUBHLTH'],
  CLMATTCH: ['HPAYMT'],
  COVAUTH: ['HPAYMT'],
  COVERAGE: ['HPAYMT'],
  ELIGDTRM: ['HPAYMT'],
  ELIGVER: ['HPAYMT'],
  ENROLLM: ['HPAYMT'],
  MILDCRG: ['HPAYMT'],
  REMITADV: ['HPAYMT'],
  HMARKT: [],
  CAREMGT: ['HOPERAT'],
  DONAT: ['HOPERAT'],
  FRAUD: ['HOPERAT'],
  GOV: ['HOPERAT'],
  HACCRED: ['HOPERAT'],
  HCOMPL: ['HOPERAT'],
  HDECD: ['HOPERAT'],
  HDIRECT: ['HOPERAT'],
  HDM: ['HOPERAT'],
  HLEGAL: ['HOPERAT'],
  HOUTCOMS: ['HOPERAT'],
  HPRGRP: ['HOPERAT'],
  HQUALIMP: ['HOPERAT'],
  HSYSADMIN: ['HOPERAT'],
  LABELING: ['HOPERAT'],
  METAMGT: ['HOPERAT'],
  MEMADMIN: ['HOPERAT'],
  MILCDM: ['HOPERAT'],
  PATADMIN: ['HOPERAT'],
  PATSFTY: ['HOPERAT'],
  PERFMSR: ['HOPERAT'],
  RECORDMGT: ['HOPERAT'],
  SYSDEV: ['HOPERAT'],
  HTEST: ['HOPERAT'],
  TRAIN: ['HOPERAT'],
});

/** What a permission for a purpose includes. Emergency treatment is treatment under ordinary rules; breaking the glass is not. */
const PERMIT_COVERS: Readonly<Record<string, readonly Purpose[]>> = codeTable({
  TREAT: ['TREAT', 'ETREAT'],
  ETREAT: ['ETREAT'],
  BTG: ['BTG'],
  HPAYMT: ['HPAYMT'],
  HOPERAT: ['HOPERAT'],
  HRESCH: ['HRESCH', 'CLINTRCH'],
  CLINTRCH: ['CLINTRCH'],
  PATRQT: ['PATRQT'],
  FAMRQT: ['FAMRQT'],
  PUBHLTH: ['PUBHLTH'],
});

/** What a denial of a purpose reaches: all that stands below it in v3-ActReason. */
const DENY_REACHES: Readonly<Record<string, readonly Purpose[]>> = codeTable({
  ...PERMIT_COVERS,
  TREAT: ['TREAT', 'ETREAT', 'BTG'],
  ETREAT: ['ETREAT', 'BTG'],
  PATRQT: ['PATRQT', 'FAMRQT'],
  PurposeOfUse: ['TREAT', 'ETREAT', 'BTG', 'HPAYMT', 'HOPERAT', 'HRESCH', 'CLINTRCH', 'PATRQT', 'FAMRQT', 'PUBHLTH'],
});

/** Whether a provision's purpose code speaks of the purpose asked for. */
export function purposeMatch(type: 'permit' | 'deny', coding: Coding, purpose: Purpose): Match {
  const { system, code } = coding;
  if (code === undefined || (system !== undefined && !REASON_SYSTEMS.has(system))) return 'unknown';
  const table = type === 'permit' ? PERMIT_COVERS : DENY_REACHES;
  if (Object.hasOwn(table, code)) return table[code]?.includes(purpose) === true ? 'yes' : 'no';
  const parents = Object.hasOwn(FINER, code) ? FINER[code] : undefined;
  if (parents === undefined) return 'unknown';
  return parents.includes(purpose) ? 'unknown' : 'no';
}

const ACTION_SYSTEMS = new Set([
  'http://terminology.hl7.org/CodeSystem/consentaction',
  'http://hl7.org/fhir/consentaction',
]);

/** consent-action codes and the interactions they govern (R4: "the direct action, not the grounds for it"). */
const ACTIONS: Readonly<Record<string, readonly Interaction[]>> = codeTable({
  access: ['read', 'search'],
  use: ['read', 'search'],
  disclose: ['read', 'search'],
  collect: ['create', 'update'],
  correct: ['update', 'delete'],
});

/** Whether a provision's action code speaks of the interaction; `foreign` is a principal of another institution. */
export function actionMatch(coding: Coding, interaction: Interaction, foreign: boolean): Match {
  const { system, code } = coding;
  if (code === undefined || (system !== undefined && !ACTION_SYSTEMS.has(system))) return 'unknown';
  const governed = Object.hasOwn(ACTIONS, code) ? ACTIONS[code] : undefined;
  if (governed === undefined) return 'unknown';
  if (code === 'disclose' && !foreign) return 'no';
  return governed.includes(interaction) ? 'yes' : 'no';
}

/** v3 ParticipationType, RoleClass, RoleCode and extra security roles by which an actor is the one who receives. */
const RECIPIENT_ROLES = new Set(
  (
    'IRCP PRCP REFT TRC GRANTEE DELEGATEE ASSIGNED AGNT AFFL PROV PAT humanuser datacollector dataprocessor ' + '110152'
  ).split(' '),
);

/** What the role of an actor says about its part. No role at all: the recipient. */
export function actorPart(roles: readonly Coding[]): 'recipient' | 'author' | 'custodian' | 'not-understood' {
  if (roles.length === 0) return 'recipient';
  for (const { system, code } of roles) {
    if (code === undefined) continue;
    if (code === 'AUT') return 'author';
    if (code === 'CST') return 'custodian';
    if (RECIPIENT_ROLES.has(code) || system === ROLE_SYSTEM || system === PRACTITIONER_ROLE_SYSTEM) return 'recipient';
  }
  return 'not-understood';
}

const PRACTITIONER_ROLE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/practitioner-role';

/** Kinds of persons that role codes name, in the words of `kindMatch`. Empty: any recipient. */
export function personKinds(roles: readonly Coding[]): readonly string[] {
  const kinds: string[] = [];
  for (const { system, code } of roles) {
    if (code === undefined) continue;
    if (system === ROLE_SYSTEM) kinds.push(code);
    else if (code === 'PROV') kinds.push('practitioner');
    else if (code === 'PAT') kinds.push('patient');
    else if (system === PRACTITIONER_ROLE_SYSTEM)
      kinds.push(code === 'researcher' ? 'researcher' : 'some-practitioner');
  }
  return kinds;
}

/** Whether a kind of person includes the role. `some-practitioner`: a profession that tokens do not carry. */
export function kindMatch(kind: string, role: Role): Match {
  if (kind === 'some-practitioner') return role === 'practitioner' ? 'unknown' : 'no';
  return kind === role ? 'yes' : 'no';
}
