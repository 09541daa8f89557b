/**
 * More HL7 tables to FHIR value sets, as the concept maps of the v2-to-FHIR guide give them: of coded fields whose own code is
 * kept behind the mapped one (`tableConcept`).
 */
import { codeTable } from '../../core/code-table.ts';
import type { Element } from './context.ts';

const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem/';
const SNOMED = 'http://snomed.info/sct';

/** Codes of table 0006 by their code of v3-ReligiousAffiliation. */
const AFFILIATIONS: Readonly<Record<string, string>> = codeTable({
  A: '1007',
  B: '1009',
  E: '1069',
  J: '1026',
  L: '1028',
  M: '1027',
  N: '1020',
  P: '1077',
  AGN: '1004',
  ATH: '1007',
  BAH: '1008',
  BRE: '1062',
  BMA: '1029',
  BTH: '1051',
  CHR: '1013',
  ANG: '1005',
  AOG: '1061',
  BAP: '1009',
  CRR: '1079',
  CHS: '1063',
  COC: '1064',
  COG: '1065',
  COL: '1066',
  EOT: '1068',
  EPI: '1069',
  FRQ: '1071',
  FUL: '1072',
  JWN: '1025',
  MOM: '1027',
  LUT: '1028',
  MET: '1073',
  NAZ: '1075',
  ORT: '1036',
  PEN: '1038',
  PRE: '1076',
  PRO: '1077',
  PRC: '1078',
  QUA: '1071',
  REC: '1079',
  CAT: '1041',
  SAA: '1080',
  SEV: '1001',
  UCC: '1082',
  UNI: '1052',
  UNU: '1081',
  CNF: '1014',
  DOC: '1067',
  HSH: '1020',
  HVA: '1020',
  HOT: '1020',
  JAI: '1024',
  MOS: '1023',
  MSH: '1045',
  MSU: '1049',
  NAM: '1074',
  SHN: '1046',
  SIK: '1047',
  SPI: '1048',
});

/** Table 0006 to v3-ReligiousAffiliation. */
export const RELIGION: Readonly<Record<string, Element>> = codeTable(
  Object.fromEntries(
    Object.entries(AFFILIATIONS).map(([name, code]) => [
      name,
      { system: `${TERMINOLOGY}v3-ReligiousAffiliation`, code },
    ]),
  ),
);

/** Table 0217 to v3-ActPriority. */
export const ENCOUNTER_PRIORITY: Readonly<Record<string, Element>> = codeTable({
  '1': { system: `${TERMINOLOGY}v3-ActPriority`, code: 'EM', display: 'emergency' },
  '2': { system: `${TERMINOLOGY}v3-ActPriority`, code: 'UR', display: 'urgent' },
  '3': { system: `${TERMINOLOGY}v3-ActPriority`, code: 'EL', display: 'elective' },
});

/** Table 0069, where service-type has a code. */
export const HOSPITAL_SERVICE: Readonly<Record<string, Element>> = codeTable({
  MED: { system: `${TERMINOLOGY}service-type`, code: '382', display: 'Medical Services' },
  URO: { system: `${TERMINOLOGY}service-type`, code: '222', display: 'Urology' },
});

/** Table 0009, where encounter-special-arrangements has a code. */
export const AMBULATORY_STATUS: Readonly<Record<string, Element>> = codeTable({
  A2: { system: `${TERMINOLOGY}encounter-special-arrangements`, code: 'wheel', display: 'Wheelchair' },
});

/** Table 0276. The guide has none for a walk-in. */
export const APPOINTMENT_REASON: Readonly<Record<string, Element>> = codeTable({
  ROUTINE: { system: SNOMED, code: '3780001', display: 'Routine patient disposition, no follow-up planned' },
  CHECKUP: { system: SNOMED, code: '866149003', display: 'Annual visit' },
  FOLLOWUP: { system: SNOMED, code: '185389009', display: 'Follow-up visit' },
  EMERGENCY: { system: SNOMED, code: '373110003', display: 'Emergency procedure' },
});

/** Table 0443, provider role. */
export const PROVIDER_ROLE: Readonly<Record<string, Element>> = codeTable({
  AD: { system: `${TERMINOLOGY}v3-ParticipationType`, code: 'ADM', display: 'admitter' },
  AT: { system: `${TERMINOLOGY}v3-ParticipationType`, code: 'ATND', display: 'attender' },
  CP: { system: `${TERMINOLOGY}v3-ParticipationType`, code: 'CON', display: 'consultant' },
  PI: { system: SNOMED, code: '40570005', display: 'Interpreter' },
  PP: { system: SNOMED, code: '446050000', display: 'Primary care physician' },
  RP: { system: `${TERMINOLOGY}v3-ParticipationType`, code: 'REF', display: 'referrer' },
});

/** Table 0912, participation. */
export const PARTICIPATION: Readonly<Record<string, Element>> = codeTable({
  PH: { system: `${TERMINOLOGY}practitioner-role`, code: 'pharmacist', display: 'Pharmacist' },
});

/** Table 0062 to v3-ActReason: code and display. */
export const EVENT_REASON: Readonly<Record<string, Element>> = codeTable({
  '01': { system: `${TERMINOLOGY}v3-ActReason`, code: 'PATRQT', display: 'patient requested' },
  '02': { system: `${TERMINOLOGY}v3-ActReason`, code: 'TREAT', display: 'treatment' },
  '03': { system: `${TERMINOLOGY}v3-ActReason`, code: 'HOPERAT', display: 'healthcare operations' },
});
