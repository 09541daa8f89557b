/**
 * HL7 tables to FHIR value sets, as the concept maps of the v2-to-FHIR guide give them. Where the guide is silent the entry
 * is ours and marked so; docs/hl7v2.md lists them.
 */
import { codeTable } from '../../core/code-table.ts';
import type { Element } from './context.ts';

/** Table 0001 to Patient.gender. */
export const GENDER: Readonly<Record<string, string>> = codeTable({
  F: 'female',
  M: 'male',
  O: 'other',
  U: 'unknown',
  A: 'other',
  N: 'other',
});

const MARITAL = 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus';
const NULL_FLAVOR = 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor';

/** Table 0002 to v3-MaritalStatus. */
export const MARITAL_STATUS: Readonly<Record<string, Element>> = codeTable({
  A: { system: MARITAL, code: 'L', display: 'Legally Separated' },
  B: { system: MARITAL, code: 'U', display: 'unmarried' },
  C: { system: MARITAL, code: 'C', display: 'Common Law' },
  D: { system: MARITAL, code: 'D', display: 'Divorced' },
  E: { system: MARITAL, code: 'L', display: 'Legally Separated' },
  G: { system: MARITAL, code: 'T', display: 'Domestic partner' },
  I: { system: MARITAL, code: 'I', display: 'Interlocutory' },
  M: { system: MARITAL, code: 'M', display: 'Married' },
  N: { system: MARITAL, code: 'A', display: 'Annulled' },
  P: { system: MARITAL, code: 'T', display: 'Domestic partner' },
  R: { system: MARITAL, code: 'T', display: 'Domestic partner' },
  S: { system: MARITAL, code: 'S', display: 'Never Married' },
  W: { system: MARITAL, code: 'W', display: 'Widowed' },
  O: { system: NULL_FLAVOR, code: 'OTH', display: 'other' },
  T: { system: NULL_FLAVOR, code: 'NAVU', display: 'Not available' },
  U: { system: NULL_FLAVOR, code: 'UNK', display: 'unknown' },
});

const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

/** Table 0004 to Encounter.class; other codes stay codes of table 0004. */
export const ENCOUNTER_CLASS: Readonly<Record<string, Element>> = codeTable({
  E: { system: ACT_CODE, code: 'EMER', display: 'emergency' },
  I: { system: ACT_CODE, code: 'IMP', display: 'inpatient encounter' },
  O: { system: ACT_CODE, code: 'AMB', display: 'ambulatory' },
  P: { system: ACT_CODE, code: 'PRENC', display: 'pre-admission' },
});

/** Encounter.class where PV1-2 is empty: R4 wants one. */
export const UNKNOWN_CLASS: Element = { system: NULL_FLAVOR, code: 'UNK', display: 'unknown' };

/** Table 0004 to Encounter.status, where no event and no PV1-45 says it. */
export const CLASS_STATUS: Readonly<Record<string, string>> = codeTable({
  E: 'in-progress',
  I: 'in-progress',
  O: 'in-progress',
  P: 'planned',
  R: 'in-progress',
  B: 'in-progress',
  C: 'in-progress',
  N: 'in-progress',
  U: 'unknown',
});

/** Table 0085 to Observation.status. Ours: B I N O R S U V; and A, which the map gives a text but no code. */
export const OBSERVATION_STATUS: Readonly<Record<string, string>> = codeTable({
  A: 'amended',
  B: 'amended',
  C: 'corrected',
  D: 'entered-in-error',
  F: 'final',
  I: 'registered',
  N: 'unknown',
  O: 'registered',
  P: 'preliminary',
  R: 'preliminary',
  S: 'preliminary',
  U: 'final',
  V: 'final',
  W: 'entered-in-error',
  X: 'cancelled',
});

/** Table 0123 to DiagnosticReport.status. Ours: A M N. Y and Z say that there is no such order or patient: no report. */
export const REPORT_STATUS: Readonly<Record<string, string>> = codeTable({
  A: 'partial',
  C: 'corrected',
  F: 'final',
  I: 'registered',
  M: 'preliminary',
  N: 'registered',
  O: 'registered',
  P: 'preliminary',
  R: 'partial',
  S: 'registered',
  X: 'cancelled',
});

/**
 * How far a status has come. Added to the source time as milliseconds, so that of two statements of one time the
 * more advanced stands, in whatever order they arrive.
 */
export const STATUS_RANK: Readonly<Record<string, number>> = codeTable({
  unknown: 0,
  registered: 0,
  partial: 1,
  preliminary: 1,
  final: 2,
  amended: 3,
  corrected: 4,
  cancelled: 5,
  'entered-in-error': 6,
});

/** Table 0038 to ServiceRequest.status. Ours: A. */
export const ORDER_STATUS: Readonly<Record<string, string>> = codeTable({
  A: 'active',
  CA: 'revoked',
  CM: 'completed',
  DC: 'revoked',
  ER: 'entered-in-error',
  HD: 'on-hold',
  IP: 'active',
  RP: 'revoked',
  SC: 'active',
});

/** Table 0119 to ServiceRequest.status; what is not here says nothing about it. */
export const ORDER_CONTROL_STATUS: Readonly<Record<string, string>> = codeTable({
  AF: 'active',
  CA: 'active',
  CR: 'revoked',
  DC: 'revoked',
  DF: 'revoked',
  DR: 'revoked',
  FU: 'completed',
  HD: 'active',
  HR: 'on-hold',
  NW: 'active',
  OC: 'revoked',
  OD: 'revoked',
  OH: 'on-hold',
  OK: 'active',
  PR: 'active',
  PY: 'active',
  RL: 'active',
  RO: 'active',
  RQ: 'active',
});

/** How far an order has come, as STATUS_RANK: of two statements of one time the more advanced stands. */
export const ORDER_RANK: Readonly<Record<string, number>> = codeTable({
  active: 0,
  'on-hold': 1,
  completed: 2,
  revoked: 3,
  'entered-in-error': 4,
});

/** Table 0027 / 0485 to ServiceRequest.priority. */
export const PRIORITY: Readonly<Record<string, string>> = codeTable({ S: 'stat', A: 'asap', R: 'routine' });

/** Table 0078 codes that are codes of v3-ObservationInterpretation too. */
export const INTERPRETATIONS: ReadonlySet<string> = new Set(
  '< > A AA B CAR D DET E EX EXP H HH HU I IE IND L LL LU MS N NCL ND NEG NR NS POS R RR S SDD SYN-R SYN-S U UNE VS W WR'.split(
    ' ',
  ),
);

/** Table 0074, diagnostic service section, to Observation.category; the rest is laboratory. Ours. */
export const SECTION_CATEGORY: Readonly<Record<string, string>> = codeTable({
  AU: 'exam',
  CT: 'imaging',
  CTH: 'procedure',
  CUS: 'imaging',
  EC: 'procedure',
  EN: 'procedure',
  ICU: 'vital-signs',
  NMR: 'imaging',
  NMS: 'imaging',
  NRS: 'exam',
  OT: 'therapy',
  OUS: 'imaging',
  PF: 'procedure',
  PHY: 'exam',
  PT: 'therapy',
  RAD: 'imaging',
  RC: 'therapy',
  RT: 'therapy',
  RUS: 'imaging',
  RX: 'imaging',
  VUS: 'imaging',
  XRC: 'imaging',
});

/** LOINC codes of the R4 vital signs profiles. */
export const VITAL_SIGNS: ReadonlySet<string> = new Set(
  '85353-1 9279-1 8867-4 2708-6 59408-5 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 8478-0'.split(' '),
);

const ROLE = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const CONTACT_ROLE = 'http://terminology.hl7.org/CodeSystem/v2-0131';

/** Table 0063, relationship, where its codes have another code in FHIR; the rest stay codes of table 0063. */
export const RELATIONSHIP: Readonly<Record<string, Element>> = codeTable({
  SEL: { system: ROLE, code: 'ONESELF', display: 'self' },
  SPO: { system: ROLE, code: 'SPS', display: 'spouse' },
  DOM: { system: ROLE, code: 'SIGOTHR', display: 'significant other' },
  CHD: { system: ROLE, code: 'CHILD', display: 'child' },
  GCH: { system: ROLE, code: 'GRNDCHILD', display: 'grandchild' },
  NCH: { system: ROLE, code: 'NCHILD', display: 'natural child' },
  SCH: { system: ROLE, code: 'STPCHLD', display: 'step child' },
  FCH: { system: ROLE, code: 'CHLDFOST', display: 'foster child' },
  PAR: { system: ROLE, code: 'PRN', display: 'parent' },
  MTH: { system: ROLE, code: 'MTH', display: 'mother' },
  FTH: { system: ROLE, code: 'FTH', display: 'father' },
  GRP: { system: ROLE, code: 'GRPRN', display: 'grandparent' },
  EXF: { system: ROLE, code: 'EXT', display: 'extended family member' },
  SIB: { system: ROLE, code: 'SIB', display: 'sibling' },
  BRO: { system: ROLE, code: 'BRO', display: 'brother' },
  SIS: { system: ROLE, code: 'SIS', display: 'sister' },
  FND: { system: ROLE, code: 'FRND', display: 'unrelated friend' },
  EMR: { system: CONTACT_ROLE, code: 'E', display: 'Employer' },
  EMC: { system: CONTACT_ROLE, code: 'C', display: 'Emergency Contact' },
  UNK: { system: CONTACT_ROLE, code: 'U', display: 'Unknown' },
  OTH: { system: CONTACT_ROLE, code: 'O', display: 'Other' },
});

/** ISO 639-2 codes and HL7 habits of PID-15 to BCP 47. */
export const LANGUAGE: Readonly<Record<string, string>> = codeTable({
  ARA: 'ar',
  CHI: 'zh',
  DEU: 'de',
  DUT: 'nl',
  ENG: 'en',
  FRA: 'fr',
  FRE: 'fr',
  GER: 'de',
  GRE: 'el',
  HIN: 'hi',
  ITA: 'it',
  JPN: 'ja',
  KOR: 'ko',
  NLD: 'nl',
  POL: 'pl',
  POR: 'pt',
  RUS: 'ru',
  SPA: 'es',
  SWE: 'sv',
  TUR: 'tr',
  UKR: 'uk',
  VIE: 'vi',
  ZHO: 'zh',
});
