/** DICOM data sets with a canary in every text, in private elements, in a sequence and in the pixels. Explicit VR little endian. */
import { CT_IMAGE_STORAGE } from '../../src/cli/samples/dicom.ts';
import type { Canaries } from './canary.ts';

export interface CanaryInstance {
  readonly sopInstanceUid: string;
  readonly dataSet: Buffer;
}

const LONG = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

/** One element of a data set. */
export function element(tag: number, vr: string, value: string | Buffer): Buffer {
  const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  const bytes = raw.length % 2 === 0 ? raw : Buffer.concat([raw, Buffer.from(vr === 'UI' || vr === 'OB' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(tag >>> 16, 0);
  head.writeUInt16LE(tag & 0xffff, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
}

function item(content: Buffer): Buffer {
  const head = Buffer.from('feff00e000000000', 'hex');
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

/** Text attributes of the patient, study and equipment modules: tag, VR, keyword. */
const TEXTS: readonly (readonly [number, string, string])[] = [
  [0x00080050, 'SH', 'AccessionNumber'],
  [0x00080080, 'LO', 'InstitutionName'],
  [0x00080081, 'ST', 'InstitutionAddress'],
  [0x00080090, 'PN', 'ReferringPhysicianName'],
  [0x00081010, 'SH', 'StationName'],
  [0x00081030, 'LO', 'StudyDescription'],
  [0x0008103e, 'LO', 'SeriesDescription'],
  [0x00081040, 'LO', 'InstitutionalDepartmentName'],
  [0x00081048, 'PN', 'PhysiciansOfRecord'],
  [0x00081050, 'PN', 'PerformingPhysicianName'],
  [0x00081060, 'PN', 'NameOfPhysiciansReadingStudy'],
  [0x00081070, 'PN', 'OperatorsName'],
  [0x00081080, 'LO', 'AdmittingDiagnosesDescription'],
  [0x00100010, 'PN', 'PatientName'],
  [0x00100020, 'LO', 'PatientID'],
  [0x00100021, 'LO', 'IssuerOfPatientID'],
  [0x00101000, 'LO', 'OtherPatientIDs'],
  [0x00101001, 'PN', 'OtherPatientNames'],
  [0x00101005, 'PN', 'PatientBirthName'],
  [0x00101040, 'LO', 'PatientAddress'],
  [0x00101060, 'PN', 'PatientMotherBirthName'],
  [0x00102154, 'SH', 'PatientTelephoneNumbers'],
  [0x00102160, 'SH', 'EthnicGroup'],
  [0x00102180, 'SH', 'Occupation'],
  [0x001021b0, 'LT', 'AdditionalPatientHistory'],
  [0x00104000, 'LT', 'PatientComments'],
  [0x00180015, 'CS', 'BodyPartExamined'],
  [0x00181000, 'LO', 'DeviceSerialNumber'],
  [0x00181030, 'LO', 'ProtocolName'],
  [0x00200010, 'SH', 'StudyID'],
  [0x00204000, 'LT', 'ImageComments'],
  [0x00321060, 'LO', 'RequestedProcedureDescription'],
  [0x00400254, 'LO', 'PerformedProcedureStepDescription'],
];

/** A CT image; `number` makes the UIDs distinct, which are canaries themselves. */
export function canaryInstance(canaries: Canaries, number: number): CanaryInstance {
  const uid = (what: string, tail: string): string =>
    canaries.exact(`dicom ${what} ${number}`, `2.25.7193${tail}8046251937046281905${number}`);
  const sopInstanceUid = uid('SOPInstanceUID', '1');
  const c = (what: string, vr = ''): string => {
    const text = canaries.text(`dicom ${what} ${number}`);
    return vr === 'CS'
      ? text.toUpperCase()
      : vr === 'PN'
        ? `${text}^${canaries.text(`dicom given ${what} ${number}`)}`
        : text;
  };
  const texts = TEXTS.map(([tag, vr, keyword]) => [tag, element(tag, vr, c(keyword, vr))] as const);
  const sequence = item(element(0x00080100, 'SH', c('CodeValue')));
  const others: readonly (readonly [number, Buffer])[] = [
    [0x00080005, element(0x00080005, 'CS', 'ISO_IR 100')],
    [0x00080016, element(0x00080016, 'UI', CT_IMAGE_STORAGE)],
    [0x00080018, element(0x00080018, 'UI', sopInstanceUid)],
    [0x00080020, element(0x00080020, 'DA', '20250312')],
    [0x00080030, element(0x00080030, 'TM', '101500')],
    [0x00080060, element(0x00080060, 'CS', 'CT')],
    [0x00081032, element(0x00081032, 'SQ', sequence)],
    [0x00090010, element(0x00090010, 'LO', c('private creator'))],
    [0x00091001, element(0x00091001, 'LO', c('private text'))],
    [0x00091002, element(0x00091002, 'UN', Buffer.from(c('private bytes')))],
    [0x00100030, element(0x00100030, 'DA', canaries.exact(`dicom PatientBirthDate ${number}`, '19380417'))],
    [0x00100040, element(0x00100040, 'CS', 'F')],
    [0x0020000d, element(0x0020000d, 'UI', uid('StudyInstanceUID', '2'))],
    [0x0020000e, element(0x0020000e, 'UI', uid('SeriesInstanceUID', '3'))],
    [0x00200011, element(0x00200011, 'IS', '1')],
    [0x00200013, element(0x00200013, 'IS', String(number))],
    [0x7fe00010, element(0x7fe00010, 'OW', Buffer.from(`${c('pixels').padEnd(512, '.')}`))],
  ];
  const sorted = [...texts, ...others].toSorted(([a], [b]) => a - b);
  return { sopInstanceUid, dataSet: Buffer.concat(sorted.map(([, bytes]) => bytes)) };
}
