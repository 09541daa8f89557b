/**
 * The product's own HL7 v2 messages, of fictitious persons: a stay with an admission, a laboratory report, its correction and
 * the discharge, the same person as in the sample images; and as many distinct laboratory reports as a bench wants. Segments
 * end with CR.
 */

const LABORATORY = 'DEMOLAB';
const HOSPITAL = 'STMARY';
const DOCTOR = '4711^Muster^Mara^^^Dr.^^^STMARY^^^^PRN';

/** MSH of one sample. `time` is YYYYMMDDHHMMSS in +0100. */
function msh(application: string, type: string, controlId: string, time: string): string {
  return `MSH|^~\\&|${application}|${HOSPITAL}|ANAMNESIS|${HOSPITAL}|${time}+0100||${type}|${controlId}|P|2.5.1|||||DEU|UNICODE UTF-8`;
}

const PID =
  'PID|1||DEMO-1001^^^^MR||Beispiel^Berta^Brigitte^^^^L||19610213|F|||Musterweg 7^^Neustadt^^55555^DEU^H||+49 555 0107^PRN^PH||de|M';

function message(segments: readonly string[]): string {
  return segments.map((segment) => `${segment}\r`).join('');
}

function pv1(tail: string): string {
  return `PV1|1|I|W3^12^B^STMARY||||${DOCTOR}||||||||||||DEMO-V-1^^^^VN|${'|'.repeat(24)}20250311093000+0100${tail}`;
}

interface Analyte {
  readonly loinc: string;
  readonly name: string;
  readonly unit: string;
  readonly low: number;
  readonly high: number;
  readonly digits: number;
}

/** A blood count and some chemistry: LOINC, UCUM, reference range. */
const ANALYTES: readonly Analyte[] = [
  { loinc: '718-7', name: 'Hemoglobin [Mass/volume] in Blood', unit: 'g/dL', low: 12, high: 16, digits: 1 },
  {
    loinc: '4544-3',
    name: 'Hematocrit [Volume Fraction] of Blood by Automated count',
    unit: '%',
    low: 36,
    high: 46,
    digits: 1,
  },
  {
    loinc: '6690-2',
    name: 'Leukocytes [#/volume] in Blood by Automated count',
    unit: '10*3/uL',
    low: 4,
    high: 10,
    digits: 2,
  },
  {
    loinc: '777-3',
    name: 'Platelets [#/volume] in Blood by Automated count',
    unit: '10*3/uL',
    low: 150,
    high: 400,
    digits: 0,
  },
  { loinc: '2951-2', name: 'Sodium [Moles/volume] in Serum or Plasma', unit: 'mmol/L', low: 135, high: 145, digits: 0 },
  {
    loinc: '2823-3',
    name: 'Potassium [Moles/volume] in Serum or Plasma',
    unit: 'mmol/L',
    low: 3.5,
    high: 5.1,
    digits: 1,
  },
  {
    loinc: '2160-0',
    name: 'Creatinine [Mass/volume] in Serum or Plasma',
    unit: 'mg/dL',
    low: 0.5,
    high: 0.9,
    digits: 2,
  },
  {
    loinc: '1988-5',
    name: 'C reactive protein [Mass/volume] in Serum or Plasma',
    unit: 'mg/L',
    low: 0,
    high: 5,
    digits: 1,
  },
];

function obx(number: number, analyte: Analyte, value: number, status: string, time: string): string {
  const { loinc, name, unit, low, high, digits } = analyte;
  const flag = value < low ? 'L' : value > high ? 'H' : 'N';
  return `OBX|${number}|NM|${loinc}^${name}^LN||${value.toFixed(digits)}|${unit}^${unit}^UCUM|${low}-${high}|${flag}|||${status}|||${time}+0100`;
}

const DEMO_VALUES = [11.8, 35.2, 12.41, 310, 139, 4.2, 0.8, 48.0];

function laboratory(
  controlId: string,
  time: string,
  status: string,
  values: readonly number[],
  notes: Readonly<Record<number, string>>,
): string {
  return message([
    msh(LABORATORY, 'ORU^R01^ORU_R01', controlId, time),
    PID,
    pv1(''),
    `ORC|RE|DEMO-P-5^${HOSPITAL}|DEMO-F-5^${LABORATORY}|||||||||${DOCTOR}`,
    `OBR|1|DEMO-P-5^${HOSPITAL}|DEMO-F-5^${LABORATORY}|24323-8^Blood count and chemistry panel^LN|||20250311101500+0100|||||||||${DOCTOR}||||||${time}+0100||LAB|${status}`,
    ...ANALYTES.flatMap((analyte, i) => {
      const value = values[i] ?? 0;
      const result = obx(i + 1, analyte, value, value === DEMO_VALUES[i] ? 'F' : status, '20250311101500');
      return notes[i] === undefined ? [result] : [result, `NTE|1|L|${notes[i]}`];
    }),
  ]);
}

/** The stay, in the order in which its messages are sent. */
export const SAMPLE_STAY: readonly { readonly name: string; readonly text: string }[] = [
  {
    name: 'admission',
    text: message([
      msh('DEMOADT', 'ADT^A01^ADT_A01', 'DEMO-0001', '20250311093100'),
      'EVN|A01|20250311093000+0100',
      PID,
      'NK1|1|Beispiel^Bernd|SPO^Spouse^HL70063|Musterweg 7^^Neustadt^^55555^DEU^H|+49 555 0108^PRN^CP',
      pv1(''),
      'PV2|||R10.3^Pain localised to other parts of lower abdomen^I10',
    ]),
  },
  {
    name: 'laboratory report',
    text: laboratory('DEMO-0002', '20250311114500', 'F', DEMO_VALUES, {
      7: 'Slightly haemolytic sample',
    }),
  },
  {
    name: 'corrected laboratory report',
    text: laboratory('DEMO-0003', '20250311132000', 'C', [11.8, 35.2, 12.41, 310, 139, 3.9, 0.8, 48.0], {
      5: 'Measured again from a new sample',
      7: 'Slightly haemolytic sample',
    }),
  },
  {
    name: 'discharge',
    text: message([
      msh('DEMOADT', 'ADT^A03^ADT_A03', 'DEMO-0004', '20250314104500'),
      'EVN|A03|20250314104000+0100',
      PID,
      pv1('|20250314104000+0100'),
    ]),
  },
];

const FAMILIES = ['Muster', 'Beispiel', 'Probst', 'Sample', 'Example', 'Proband', 'Dummy', 'Fiktiv'];
const GIVEN = ['Alba', 'Boris', 'Carla', 'Dario', 'Elena', 'Fynn', 'Greta', 'Henri', 'Ilse', 'Jonas', 'Kira'];

/** Spreads `n` over `0 <= x < 1`, the same every time. */
function fraction(n: number): number {
  return ((n * 2_654_435_761) % 4_294_967_296) / 4_294_967_296;
}

/**
 * Laboratory report number `n` (0 and up) of fictitious patient number `patient`: its own order, control id and values.
 * Becomes 12 resources of the patient (Patient, Encounter, ServiceRequest, DiagnosticReport, 8 Observations) and the ordering
 * Practitioner, whom all share.
 */
export function sampleOru(n: number, patient: number = n): string {
  const id = String(patient).padStart(7, '0');
  const order = String(n).padStart(8, '0');
  const day = String(1 + (n % 28)).padStart(2, '0');
  const time = `202503${day}${String(7 + (n % 12)).padStart(2, '0')}${String(n % 60).padStart(2, '0')}00`;
  const family = FAMILIES[patient % FAMILIES.length];
  const given = GIVEN[patient % GIVEN.length];
  const born = `${1930 + (patient % 80)}${String(1 + (patient % 12)).padStart(2, '0')}${String(1 + (patient % 28)).padStart(2, '0')}`;
  return message([
    msh(LABORATORY, 'ORU^R01^ORU_R01', `BENCH-${order}`, time),
    `PID|1||BENCH-${id}^^^^MR||${family}^${given}^^^^^L||${born}|${patient % 2 === 0 ? 'F' : 'M'}|||Teststrasse ${patient % 200}^^Neustadt^^55555^DEU^H||+49 555 ${id}^PRN^PH`,
    `PV1|1|O|AMB^1^^STMARY||||${DOCTOR}||||||||||||BENCH-V-${id}^^^^VN|${'|'.repeat(24)}${time}+0100`,
    `ORC|RE|BENCH-P-${order}^${HOSPITAL}|BENCH-F-${order}^${LABORATORY}|||||||||${DOCTOR}`,
    `OBR|1|BENCH-P-${order}^${HOSPITAL}|BENCH-F-${order}^${LABORATORY}|24323-8^Blood count and chemistry panel^LN|||${time}+0100|||||||||${DOCTOR}||||||${time}+0100||LAB|F`,
    ...ANALYTES.map((analyte, i) => {
      const span = analyte.high - analyte.low;
      return obx(i + 1, analyte, analyte.low + span * (1.2 * fraction(n * 8 + i + 1) - 0.05), 'F', time);
    }),
    'NTE|1|L|Sample of a fictitious person',
    'NTE|2|L|Reference ranges of adults',
  ]);
}
