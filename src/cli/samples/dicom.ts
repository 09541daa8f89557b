/**
 * The product's own sample image: a tiny valid CT object of a fictitious person, explicit VR little endian, made element by
 * element. For the demo, `anamnesis send` and tests.
 */
import { encodeFileMeta } from '../../formats/dicom/part10.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../formats/dicom/uid.ts';

/** CT Image Storage (PS3.4 B.5). */
export const CT_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.2';

/** What a sample says; every text must be ASCII. */
export interface SampleCt {
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  /** `Family^Given`. */
  readonly patientName: string;
  readonly patientId: string;
  /** YYYYMMDD. */
  readonly birthDate: string;
  /** M, F or O. */
  readonly sex: string;
  readonly accessionNumber: string;
  /** YYYYMMDD and HHMMSS, in `timezoneOffset` (as `+0100`). */
  readonly studyDate: string;
  readonly studyTime: string;
  readonly timezoneOffset: string;
  readonly studyDescription: string;
  readonly seriesDescription: string;
  readonly instanceNumber: number;
  /** Rows and columns of the square image; 16 bits a pixel. */
  readonly pixels: number;
}

/** Sample UIDs are integers from here on, under the root for UUIDs (PS3.5 B.2). */
const FIRST_UID = 320248410721559591824775641704550905001n;
const sampleUid = (n: number): string => `2.25.${FIRST_UID + BigInt(n)}`;

/** A fictitious person's abdomen; change what a test needs. */
export const SAMPLE_CT: SampleCt = {
  sopInstanceUid: sampleUid(11),
  studyInstanceUid: sampleUid(0),
  seriesInstanceUid: sampleUid(1),
  patientName: 'Beispiel^Berta',
  patientId: 'DEMO-1001',
  birthDate: '19610213',
  sex: 'F',
  accessionNumber: 'DEMO-ACC-7',
  studyDate: '20250312',
  studyTime: '101500',
  timezoneOffset: '+0100',
  studyDescription: 'CT abdomen with contrast',
  seriesDescription: 'Portal venous 5 mm',
  instanceNumber: 1,
  pixels: 16,
};

function element(group: number, number: number, vr: string, value: Buffer): Buffer {
  const long = vr === 'OW' || vr === 'SQ';
  const head = Buffer.alloc(long ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (long) head.writeUInt32LE(value.length, 8);
  else head.writeUInt16LE(value.length, 6);
  return Buffer.concat([head, value]);
}

function text(group: number, number: number, vr: string, value: string): Buffer {
  const pad = vr === 'UI' ? '\0' : ' ';
  return element(group, number, vr, Buffer.from(value.length % 2 === 0 ? value : value + pad, 'latin1'));
}

function us(group: number, number: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return element(group, number, 'US', bytes);
}

/** A filled circle, so that a viewer shows something: inside 1,064, outside 24 (stored values, rescale intercept -1,024). */
function pixelData(side: number): Buffer {
  const bytes = Buffer.alloc(side * side * 2);
  const centre = (side - 1) / 2;
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const inside = (x - centre) ** 2 + (y - centre) ** 2 < (side / 3) ** 2;
      bytes.writeUInt16LE(inside ? 1064 : 24, (y * side + x) * 2);
    }
  }
  return bytes;
}

/** The data set of a CT image (PS3.3 A.3), the type 1 and 2 attributes of its modules and little more. */
export function sampleCtDataSet(ct: SampleCt): Buffer {
  return Buffer.concat([
    text(0x0008, 0x0005, 'CS', 'ISO_IR 100'),
    text(0x0008, 0x0008, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
    text(0x0008, 0x0016, 'UI', CT_IMAGE_STORAGE),
    text(0x0008, 0x0018, 'UI', ct.sopInstanceUid),
    text(0x0008, 0x0020, 'DA', ct.studyDate),
    text(0x0008, 0x0021, 'DA', ct.studyDate),
    text(0x0008, 0x0030, 'TM', ct.studyTime),
    text(0x0008, 0x0031, 'TM', ct.studyTime),
    text(0x0008, 0x0050, 'SH', ct.accessionNumber),
    text(0x0008, 0x0060, 'CS', 'CT'),
    text(0x0008, 0x0070, 'LO', 'Anamnesis samples'),
    text(0x0008, 0x0090, 'PN', 'Muster^Max^^Dr.'),
    text(0x0008, 0x0201, 'SH', ct.timezoneOffset),
    text(0x0008, 0x1030, 'LO', ct.studyDescription),
    text(0x0008, 0x103e, 'LO', ct.seriesDescription),
    text(0x0010, 0x0010, 'PN', ct.patientName),
    text(0x0010, 0x0020, 'LO', ct.patientId),
    text(0x0010, 0x0030, 'DA', ct.birthDate),
    text(0x0010, 0x0040, 'CS', ct.sex),
    text(0x0018, 0x0015, 'CS', 'ABDOMEN'),
    text(0x0018, 0x0050, 'DS', '5'),
    text(0x0018, 0x0060, 'DS', '120'),
    text(0x0020, 0x000d, 'UI', ct.studyInstanceUid),
    text(0x0020, 0x000e, 'UI', ct.seriesInstanceUid),
    text(0x0020, 0x0010, 'SH', '1'),
    text(0x0020, 0x0011, 'IS', '1'),
    text(0x0020, 0x0012, 'IS', '1'),
    text(0x0020, 0x0013, 'IS', String(ct.instanceNumber)),
    text(0x0020, 0x0032, 'DS', `0\\0\\${ct.instanceNumber * 5}`),
    text(0x0020, 0x0037, 'DS', '1\\0\\0\\0\\1\\0'),
    text(0x0020, 0x0052, 'UI', sampleUid(2)),
    text(0x0020, 0x1040, 'LO', ''),
    us(0x0028, 0x0002, 1),
    text(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
    us(0x0028, 0x0010, ct.pixels),
    us(0x0028, 0x0011, ct.pixels),
    text(0x0028, 0x0030, 'DS', '0.8\\0.8'),
    us(0x0028, 0x0100, 16),
    us(0x0028, 0x0101, 16),
    us(0x0028, 0x0102, 15),
    us(0x0028, 0x0103, 0),
    text(0x0028, 0x1052, 'DS', '-1024'),
    text(0x0028, 0x1053, 'DS', '1'),
    element(0x7fe0, 0x0010, 'OW', pixelData(ct.pixels)),
  ]);
}

/** The complete file. */
export function sampleCtFile(ct: SampleCt): Buffer {
  const meta = {
    mediaStorageSopClassUid: CT_IMAGE_STORAGE,
    mediaStorageSopInstanceUid: ct.sopInstanceUid,
    transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN,
  };
  return Buffer.concat([encodeFileMeta(meta), sampleCtDataSet(ct)]);
}

/** The sample study of the demo: `count` images in one series, each with its own SOP Instance UID. */
export function sampleCtStudy(count: number): SampleCt[] {
  return Array.from({ length: count }, (_, i) => ({
    ...SAMPLE_CT,
    sopInstanceUid: sampleUid(11 + i),
    instanceNumber: i + 1,
  }));
}
