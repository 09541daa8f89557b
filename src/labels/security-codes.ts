/**
 * What a security label on a resource (`meta.security`, `DocumentReference.securityLabel`) means for its lockbox.
 * HL7 v3 Confidentiality and ActCode (sensitivity, refrain, 42 CFR Part 2), and the HL7 v2 tables 0177 and 0952 by which
 * messages carry the same. Closed lists; a code that is not here never lowers anything and counts as restricted.
 */
import { codeTable } from '../core/code-table.ts';
import type { Coding } from '../formats/fhir/resource.ts';
import { RESTRICTED, maskOf } from './sensitivity-mask.ts';

export const CONFIDENTIALITY_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
export const ACT_CODE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

/** v3-Confidentiality: `explicit` says that the source itself called the record normal, which lifts the default `R` of documents. */
const CONFIDENTIALITY: Readonly<Record<string, 'normal' | 'restricted'>> = codeTable({
  U: 'normal',
  L: 'normal',
  M: 'normal',
  N: 'normal',
  R: 'restricted',
  V: 'restricted',
});

/**
 * v3-ActCode, `_InformationSensitivityPolicy` and the privacy laws under `_ActPrivacyLaw` that name one of our labels.
 * Behavioural health stands above mental health and substance use, so it needs both.
 */
const SENSITIVITY: Readonly<Record<string, string>> = codeTable({
  PSY: 'PSY',
  PSYTHPN: 'PSY',
  MH: 'PSY',
  BH: 'PSY SUD',
  COGN: 'PSY',
  DVD: 'PSY',
  EMOTDIS: 'PSY',
  SUD: 'SUD',
  ETH: 'SUD',
  ETHUD: 'SUD',
  OPIOIDUD: 'SUD',
  '42CFRPart2': 'SUD',
  HIV: 'HIV',
  STD: 'SEX',
  SEX: 'SEX',
  PREGNANT: 'SEX',
  GENDER: 'SEX',
  SDV: 'SDV',
  MST: 'SDV',
  VIO: 'SDV',
  GDIS: 'GEN',
  SCA: 'GEN',
  SICKLE: 'GEN',
});

/** HL7 v2 table 0177, confidentiality code (OBX-13, ARV, CON, PV2-22). `U` usual control, `N` normal. */
const V2_0177: Readonly<Record<string, string>> = codeTable({
  AID: 'HIV',
  HIV: 'HIV',
  ETH: 'SUD',
  PSY: 'PSY',
  UWM: 'SEX',
  U: '',
  N: '',
});

/** Systems whose codes say nothing about who may see a record (integrity, purposes are not clearances). */
const SILENT_SYSTEMS = new Set([
  'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  'http://hl7.org/fhir/v3/ObservationValue',
]);

const CONFIDENTIALITY_SYSTEMS = new Set([CONFIDENTIALITY_SYSTEM, 'http://hl7.org/fhir/v3/Confidentiality']);
const ACT_CODE_SYSTEMS = new Set([ACT_CODE_SYSTEM, 'http://hl7.org/fhir/v3/ActCode']);
const V2_SYSTEMS = new Set([
  'http://terminology.hl7.org/CodeSystem/v2-0177',
  'http://hl7.org/fhir/v2/0177',
  'http://terminology.hl7.org/CodeSystem/v2-0952',
]);

/** Labels that a v3-ActCode sensitivity code stands for; undefined when the code is not in the closed list. */
export function labelsOfSensitivityCode(code: string): string | undefined {
  return Object.hasOwn(SENSITIVITY, code) ? SENSITIVITY[code] : undefined;
}

/** True for a coding of v3-ActCode, under its present or its STU 3 name. */
export function isActCode(coding: Coding): boolean {
  return coding.system !== undefined && ACT_CODE_SYSTEMS.has(coding.system);
}

/** The confidentiality code (`U` to `V`) of a coding; undefined when it is of another system or unknown. */
export function confidentialityCode(coding: Coding): string | undefined {
  const { system, code } = coding;
  if (system === undefined || code === undefined || !CONFIDENTIALITY_SYSTEMS.has(system)) return undefined;
  return Object.hasOwn(CONFIDENTIALITY, code) ? code : undefined;
}

/** What a resource's own security labels say together. */
export interface SecurityMarks {
  /** Bits of `sensitivity-mask.ts`. */
  readonly mask: number;
  /** The source itself called the record normal or lower. */
  readonly normal: boolean;
}

const UNMARKED: SecurityMarks = { mask: 0, normal: false };

/** Reads the security labels of one record. */
export function securityMarks(codings: readonly (Coding | null)[] | undefined): SecurityMarks {
  if (!Array.isArray(codings) || codings.length === 0) return UNMARKED;
  let mask = 0;
  let normal = false;
  for (const coding of codings) {
    if (coding === null) continue;
    const { system, code } = coding;
    if (system !== undefined && SILENT_SYSTEMS.has(system)) continue;
    const confidentiality = confidentialityCode(coding);
    if (confidentiality !== undefined && CONFIDENTIALITY[confidentiality] === 'normal') {
      normal = true;
      continue;
    }
    if (code === undefined) {
      mask |= RESTRICTED;
    } else if (isActCode(coding)) {
      const labels = labelsOfSensitivityCode(code);
      mask |= labels === undefined ? RESTRICTED : maskOf(labels);
    } else if (system !== undefined && V2_SYSTEMS.has(system) && Object.hasOwn(V2_0177, code)) {
      const labels = V2_0177[code] ?? '';
      if (labels === '') normal = true;
      mask |= maskOf(labels);
    } else {
      mask |= RESTRICTED;
    }
  }
  return { mask, normal: normal && mask === 0 };
}
