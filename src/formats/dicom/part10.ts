/**
 * DICOM file format (PS3.10 section 7): 128 zero bytes, "DICM", the file meta information (group 0002, explicit VR little
 * endian), then the data set. Writes it for a received object; finds the data set of a file, also of one without
 * preamble or meta information, as old archives hold them.
 */
import {
  EXPLICIT_VR_BIG_ENDIAN,
  EXPLICIT_VR_LITTLE_ENDIAN,
  IMPLEMENTATION_CLASS_UID,
  IMPLEMENTATION_VERSION_NAME,
  IMPLICIT_VR_LITTLE_ENDIAN,
} from './uid.ts';

export interface FileMeta {
  readonly mediaStorageSopClassUid: string;
  readonly mediaStorageSopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

const PREAMBLE_BYTES = 128;
const MAGIC = 'DICM';
/** Value representations with a 4-byte length (PS3.5 table 7.1-1). */
const LONG_VR: ReadonlySet<string> = new Set([
  'OB',
  'OD',
  'OF',
  'OL',
  'OV',
  'OW',
  'SQ',
  'SV',
  'UC',
  'UN',
  'UR',
  'UT',
  'UV',
]);

function shortElement(number: number, vr: string, value: Buffer): Buffer {
  const out = Buffer.alloc(8 + value.length);
  out.writeUInt16LE(0x0002, 0);
  out.writeUInt16LE(number, 2);
  out.write(vr, 4, 'latin1');
  out.writeUInt16LE(value.length, 6);
  value.copy(out, 8);
  return out;
}

function text(value: string, pad: '\0' | ' '): Buffer {
  return Buffer.from(value.length % 2 === 0 ? value : value + pad, 'latin1');
}

/**
 * Preamble and file meta information: with the data set bytes behind it, a complete file. The preamble is zero, so that
 * nothing that a sender chose stands where another format would be recognised (CVE-2019-11687).
 */
export function encodeFileMeta(meta: FileMeta): Buffer {
  const version = Buffer.alloc(14);
  version.writeUInt16LE(0x0002, 0);
  version.writeUInt16LE(0x0001, 2);
  version.write('OB', 4, 'latin1');
  version.writeUInt32LE(2, 8);
  version.writeUInt16BE(0x0001, 12);
  const body = Buffer.concat([
    version,
    shortElement(0x0002, 'UI', text(meta.mediaStorageSopClassUid, '\0')),
    shortElement(0x0003, 'UI', text(meta.mediaStorageSopInstanceUid, '\0')),
    shortElement(0x0010, 'UI', text(meta.transferSyntaxUid, '\0')),
    shortElement(0x0012, 'UI', text(IMPLEMENTATION_CLASS_UID, '\0')),
    shortElement(0x0013, 'SH', text(IMPLEMENTATION_VERSION_NAME, ' ')),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.alloc(PREAMBLE_BYTES), Buffer.from(MAGIC), shortElement(0x0000, 'UL', length), body]);
}

export interface FileStart {
  /** What the meta information says; all undefined for a bare data set. */
  readonly meta: Partial<FileMeta>;
  /** Transfer syntax of the data set: as stated, else recognised by its first element. */
  readonly transferSyntaxUid: string;
  /** Offset of the data set in the file, bytes. */
  readonly dataSetOffset: number;
}

/**
 * Finds the data set in the first bytes of a file (a few KiB are enough). Undefined when it is no DICOM file.
 * Reads group 0002 element by element rather than by its group length, which is wrong or missing in real files.
 */
export function readFileStart(bytes: Buffer): FileStart | undefined {
  const hasPreamble =
    bytes.length > PREAMBLE_BYTES + 4 && bytes.toString('latin1', PREAMBLE_BYTES, PREAMBLE_BYTES + 4) === MAGIC;
  let at = hasPreamble ? PREAMBLE_BYTES + 4 : 0;
  const values = new Map<number, string>();
  while (at + 8 <= bytes.length && bytes.readUInt16LE(at) === 0x0002) {
    const number = bytes.readUInt16LE(at + 2);
    const long = LONG_VR.has(bytes.toString('latin1', at + 4, at + 6));
    if (long && at + 12 > bytes.length) return undefined;
    const length = long ? bytes.readUInt32LE(at + 8) : bytes.readUInt16LE(at + 6);
    const start = at + (long ? 12 : 8);
    if (start + length > bytes.length) return undefined;
    values.set(number, bytes.toString('latin1', start, start + length).replace(/[\0 ]+$/, ''));
    at = start + length;
  }
  if (!hasPreamble && at === 0 && !looksLikeDataSet(bytes)) return undefined;
  const stated = values.get(0x0010);
  const meta: { -readonly [K in keyof FileMeta]?: FileMeta[K] } = {};
  const sopClass = values.get(0x0002);
  const sopInstance = values.get(0x0003);
  if (sopClass !== undefined) meta.mediaStorageSopClassUid = sopClass;
  if (sopInstance !== undefined) meta.mediaStorageSopInstanceUid = sopInstance;
  if (stated !== undefined) meta.transferSyntaxUid = stated;
  return { meta, transferSyntaxUid: stated ?? recognise(bytes, at), dataSetOffset: at };
}

/** A bare data set begins in group 0008 (or 0004 of a directory), in either byte order. */
function looksLikeDataSet(bytes: Buffer): boolean {
  if (bytes.length < 8) return false;
  return [0x0004, 0x0008].some((group) => bytes.readUInt16LE(0) === group || bytes.readUInt16BE(0) === group);
}

function recognise(bytes: Buffer, at: number): string {
  if (!/^[A-Z]{2}$/.test(bytes.toString('latin1', at + 4, at + 6))) return IMPLICIT_VR_LITTLE_ENDIAN;
  return bytes[at] === 0 && bytes[at + 1] !== 0 ? EXPLICIT_VR_BIG_ENDIAN : EXPLICIT_VR_LITTLE_ENDIAN;
}
