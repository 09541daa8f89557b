// The messages that tools/hl7v2-fields.js puts its questions to: one of each kind, with what each segment needs to be read at all.

/** What stands in a segment before a field is tried; other segments stand there empty. */
const COMMON = {
  MSH: { 2: '^~\\&', 7: '20260301120000+0100', 10: 'C1', 11: 'P', 12: '2.7' },
  EVN: { 1: 'X00' },
  PID: { 1: '1', 3: '1^^^H^MR', 5: 'Doe^Jane' },
  NK1: { 1: '1', 2: 'Roe^Al' },
  PV1: { 1: '1', 2: 'I', 19: 'V1' },
  AL1: { 1: '1', 3: 'A1^Penicillin^L' },
  IAM: { 1: '1', 3: 'A2^Latex^L' },
  DG1: { 1: '1', 3: 'D1^Fever^L' },
  PR1: { 1: '1', 3: 'P1^Fix^L', 5: '20260201' },
  IN1: { 1: '1', 2: 'PPO', 4: 'Payer' },
  GT1: { 1: '1', 3: 'Roe^Al' },
  DB1: { 1: '1', 2: 'PT', 4: 'Y' },
  ROL: { 2: 'AD', 3: 'AT', 4: '7^Lee' },
  PRT: { 2: 'AD', 4: 'AT' },
  OBX: { 1: '1', 2: 'ST', 3: '1^A^L', 5: 'x', 11: 'F' },
  NTE: { 1: '1', 3: 'note' },
  ORC: { 1: 'NW', 2: 'P1^A' },
  OBR: { 1: '1', 4: '5^Test^L' },
  SPM: { 1: '1', 4: 'BLD' },
  RXO: { 1: '2^b^L' },
  RXE: { 2: '2^b^L' },
  RXD: { 1: '1', 2: '2^b^L', 3: '20260201' },
  RXG: { 1: '1', 4: '2^b^L' },
  RXA: { 1: '0', 2: '1', 3: '20260201', 5: '2^b^L' },
  RXC: { 1: 'A', 2: '3^c^L' },
  ODS: { 1: 'D', 3: '4^d^L' },
  RQD: { 3: '6^y^L' },
  SCH: { 2: 'F1^A', 11: '^^^20260310103000+0100' },
  AIS: { 1: '1', 3: '5^Fix^L' },
  AIG: { 1: '1', 3: '6^Room^L' },
  AIL: { 1: '1', 3: 'W1' },
  AIP: { 1: '1', 3: '8^Lee' },
  TXA: { 1: '1', 2: 'DS', 12: 'D1^A' },
  FT1: { 1: '1', 4: '20260201', 6: 'CG', 7: '5^Fix^L' },
  PRB: { 1: 'AD', 3: 'K50^Crohn^I10', 4: '1^A' },
  GOL: { 1: 'AD', 3: '1^Well^L', 4: '2^A' },
  PTH: { 1: 'AD', 2: '1^Care^L', 3: '3^A' },
  RF1: { 6: 'R1^A' },
  PRD: { 1: 'RT', 2: 'Lee^Bo' },
  MFI: { 1: 'PRA' },
  MFE: { 1: 'MAD', 4: '77' },
  STF: { 1: '77', 2: '77^^^H^PRN', 3: 'Lee^Bo' },
  PRA: { 1: '77' },
  NPU: { 1: 'W1^2^B' },
  LOC: { 1: 'W1^2^B' },
};

/**
 * `type`: MSH-9; `structure`: name in the dictionary; `without`: segments of other choices of the structure; `more`: segments that senders put there
 * besides, each with the one that it stands behind; `base`: what is otherwise than in COMMON.
 */
export const KINDS = [
  { type: 'ADT^A01', structure: 'ADT_A01', more: { IN3: 'IN2', IAM: 'AL1', PRT: 'PV2' } },
  {
    type: 'ORU^R01',
    structure: 'ORU_R01',
    more: { PRT: 'OBX' },
    base: { ORC: { 1: 'RE', 2: 'P1^A' }, OBR: { 4: '5^Test^L', 25: 'F' } },
  },
  { type: 'OUL^R22', structure: 'OUL_R22', base: { OBR: { 4: '5^Test^L', 25: 'F' } } },
  { type: 'OML^O21', structure: 'OML_O21', more: { PRT: 'OBR' } },
  {
    type: 'ORM^O01',
    title: 'ORM O01 with RXO',
    structure: 'ORM_O01',
    without: ['OBR', 'RQD', 'RQ1', 'ODS', 'ODT'],
    more: { TQ1: 'ORC' },
  },
  {
    type: 'ORM^O01',
    title: 'ORM O01 with ODS',
    structure: 'ORM_O01',
    without: ['OBR', 'RQD', 'RQ1', 'RXO', 'RXR', 'RXC'],
  },
  {
    type: 'ORM^O01',
    title: 'ORM O01 with RQD',
    structure: 'ORM_O01',
    without: ['OBR', 'ODS', 'ODT', 'RXO', 'RXR', 'RXC'],
  },
  { type: 'OMI^O23', structure: 'OMI_O23' },
  { type: 'RDE^O11', structure: 'RDE_O11', without: ['RXO'] },
  { type: 'RDS^O13', structure: 'RDS_O13', without: ['RXO', 'RXE'] },
  { type: 'RGV^O15', structure: 'RGV_O15', without: ['RXO', 'RXE'] },
  { type: 'RAS^O17', structure: 'RAS_O17', without: ['RXO', 'RXE'] },
  {
    type: 'VXU^V04',
    structure: 'VXU_V04',
    base: { ORC: { 1: 'RE', 3: 'I1^A' }, RXA: { 3: '20260201', 5: '140^Flu^CVX' } },
  },
  { type: 'SIU^S12', structure: 'SIU_S12', more: { TQ1: 'SCH' } },
  { type: 'MDM^T02', structure: 'MDM_T02' },
  { type: 'DFT^P03', structure: 'DFT_P03' },
  { type: 'BAR^P01', structure: 'BAR_P01' },
  { type: 'PPR^PC1', structure: 'PPR_PC1' },
  { type: 'REF^I12', structure: 'REF_I12' },
  { type: 'MFN^M02', structure: 'MFN_M02' },
  { type: 'MFN^M05', structure: 'MFN_M05' },
];

/** Other fields that must be there for a field to say anything: `segment-field` to fields of the same segment. */
export const TOGETHER = {
  'OBX-6': { 2: 'NM', 5: '7' },
  'OBX-7': { 2: 'NM', 5: '7' },
  'OBX-32': { 5: '' },
  'PID-25': { 24: 'Y' },
  'RXE-5': { 3: '7' },
  'RXE-11': { 10: '7' },
  'RXE-24': { 23: '7' },
  'RXE-26': { 25: '7' },
  'RXE-33': { 25: '7', 26: 'mg' },
  'RXE-34': { 25: '7', 26: 'mg', 33: '5' },
  'RXO-3': { 2: '7' },
  'RXO-4': { 2: '7' },
  'RXO-12': { 11: '7' },
  'RXO-19': { 18: '7' },
  'RXO-22': { 21: '7' },
  'RXO-25': { 18: '7', 19: 'mg' },
  'RXO-26': { 18: '7', 19: 'mg', 25: '5' },
  'RXD-5': { 4: '7' },
  'RXD-17': { 16: '7' },
  'RXA-7': { 6: '7' },
  'RXA-14': { 13: '7' },
  'RXG-7': { 5: '7' },
  'RXG-16': { 15: '7' },
  'RXC-4': { 3: '7' },
  'SCH-10': { 9: '7', 11: '' },
  'SCH-9': { 11: '' },
  'AIS-8': { 7: '7' },
  'IN1-18': { 16: 'Roe^Al' },
  'IN1-19': { 16: 'Roe^Al' },
  'IN1-43': { 16: 'Roe^Al' },
  'TQ1-4': { 3: 'BID' },
  'TQ1-6': { 7: '20260101' },
  'TQ1-8': { 3: 'BID', 7: '20260101' },
  'TQ1-13': { 3: 'BID' },
  'PR1-7': { 5: '202602011000+0100' },
  'GT1-13': { 14: '20260201' },
  'GT1-14': { 13: '20260101' },
  'GT1-21': { 3: '' },
  'DG1-2': { 3: 'D1^Fever' },
  'PV1-40': { 3: 'W1^2^B' },
  'PV1-53': { 54: 'E1^^^H' },
  'OBX-24': { 23: 'Org^^^^^H^XX^^^77' },
  'IN1-5': { 3: '77' },
  'IN1-7': { 3: '77' },
  'PRT-4': { 5: '7^Lee' },
  'PRT-6': { 5: '7^Lee' },
  'PRT-7': { 8: 'Org^^^^^^^^^8' },
  'PRT-14': { 5: '7^Lee' },
  'PRT-15': { 5: '7^Lee' },
  'ROL-10': { 14: 'Org^^^^^^^^^8' },
  'NK1-30': { 2: '' },
  'NK1-31': { 2: '' },
  'NK1-32': { 2: '' },
  'NK1-41': { 2: '' },
  'PRT-11': { 5: '7^Lee' },
  'PRT-12': { 5: '7^Lee' },
  'PRT-16': { 10: 'E1^H' },
  'PRT-17': { 10: 'E1^H' },
  'PRT-18': { 10: 'E1^H' },
  'PRT-19': { 10: 'E1^H' },
  'PRT-20': { 10: 'E1^H' },
  'PRT-21': { 10: 'E1^H' },
  'PRT-22': { 10: 'E1^H' },
};

/** Fields that neither version of the dictionary has: those of 2.8, by data type. */
export const LATER = {
  OBX: { 29: 'ID', 30: 'ID', 31: 'ID', 32: 'CWE', 33: 'EIP' },
  IN1: { 54: 'ST', 55: 'ID' },
  PRT: { 16: 'EI', 17: 'DTM', 18: 'DTM', 19: 'ST', 20: 'ST', 21: 'EI', 22: 'CNE' },
};

/** Values that only one field knows. */
export const WORDS = {
  'OBX-29': ['QST'],
  'MSH-19': ['en'],
  'SCH-25': ['Complete'],
  'PRB-14': ['RESOLVED'],
  'GOL-18': ['COMPLETED'],
};

/** Fields of MSH that say how the message is to be read. */
export const READING = [1, 2, 7, 9, 10, 12, 18];

/** Segments to leave out where they speak before the one that is asked. */
export const INSTEAD = {
  OBR: ['ORC', 'SPM'],
  ORC: ['OBR', 'TQ1'],
  AIS: ['TQ1'],
  AIG: ['TQ1', 'AIS'],
  AIL: ['TQ1', 'AIS', 'AIG'],
  AIP: ['TQ1', 'AIS', 'AIG', 'AIL'],
  SCH: ['TQ1', 'AIS', 'AIG', 'AIL', 'AIP'],
  TQ1: ['AIS'],
};

/** The fields that stand in a segment of a kind. */
export function baseOf(kind, id) {
  const base = kind.base?.[id] ?? COMMON[id] ?? {};
  return id === 'MSH' ? { ...base, 9: kind.type } : base;
}
