/**
 * DIMSE command sets (PS3.7 section 6.3 and annex E): group 0000, always implicit VR little endian. Reads any command as
 * the fields below; writes what C-ECHO and C-STORE need.
 */

/** Command Field values (PS3.7 E.1-1). A response has bit 8000H set. */
export const COMMAND = {
  'C-STORE-RQ': 0x0001,
  'C-STORE-RSP': 0x8001,
  'C-GET-RQ': 0x0010,
  'C-FIND-RQ': 0x0020,
  'C-MOVE-RQ': 0x0021,
  'C-ECHO-RQ': 0x0030,
  'C-ECHO-RSP': 0x8030,
  'C-CANCEL-RQ': 0x0fff,
} as const;

/** Bit of the Command Field that marks a response. */
export const RESPONSE_BIT = 0x8000;

/** Statuses that the listener itself answers (PS3.7 annex C, PS3.4 B.2.3); those of faults come from `core/errors`. */
export const STATUS = {
  success: 0x0000,
  processingFailure: 0x0110,
  duplicateInstance: 0x0111,
  sopClassNotSupported: 0x0122,
  unrecognizedOperation: 0x0211,
  dataSetDoesNotMatch: 0xa900,
  cannotUnderstand: 0xc000,
} as const;

export interface Command {
  readonly commandField: number;
  readonly hasDataSet: boolean;
  readonly messageId?: number;
  readonly messageIdRespondedTo?: number;
  readonly affectedSopClassUid?: string;
  readonly requestedSopClassUid?: string;
  readonly affectedSopInstanceUid?: string;
  readonly priority?: number;
  readonly status?: number;
  /** At most 64 characters of the default repertoire. */
  readonly errorComment?: string;
  readonly moveOriginatorAe?: string;
  readonly moveOriginatorMessageId?: number;
}

type Field = Exclude<keyof Command, 'hasDataSet'>;

/** Element number of each field and its VR, ascending as they must be written. */
const FIELDS: readonly (readonly [number, Field, 'UI' | 'US' | 'LO' | 'AE'])[] = [
  [0x0002, 'affectedSopClassUid', 'UI'],
  [0x0003, 'requestedSopClassUid', 'UI'],
  [0x0100, 'commandField', 'US'],
  [0x0110, 'messageId', 'US'],
  [0x0120, 'messageIdRespondedTo', 'US'],
  [0x0700, 'priority', 'US'],
  [0x0900, 'status', 'US'],
  [0x0902, 'errorComment', 'LO'],
  [0x1000, 'affectedSopInstanceUid', 'UI'],
  [0x1030, 'moveOriginatorAe', 'AE'],
  [0x1031, 'moveOriginatorMessageId', 'US'],
];
const DATA_SET_TYPE = 0x0800;
/** Command Data Set Type that says: no data set. Any other value: one follows. */
const NO_DATA_SET = 0x0101;
const WITH_DATA_SET = 0x0001;

function element(number: number, value: Buffer): Buffer {
  const out = Buffer.alloc(8 + value.length);
  out.writeUInt16LE(number, 2);
  out.writeUInt32LE(value.length, 4);
  value.copy(out, 8);
  return out;
}

function us(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

function padded(text: string, pad: '\0' | ' '): Buffer {
  return Buffer.from(text.length % 2 === 0 ? text : text + pad, 'latin1');
}

/** The command set's bytes, group length included. */
export function encodeCommand(command: Command): Buffer {
  const parts: [number, Buffer][] = [[DATA_SET_TYPE, us(command.hasDataSet ? WITH_DATA_SET : NO_DATA_SET)]];
  for (const [number, field, vr] of FIELDS) {
    const value = command[field];
    if (typeof value === 'number') parts.push([number, us(value)]);
    else if (typeof value === 'string') parts.push([number, padded(value, vr === 'UI' ? '\0' : ' ')]);
  }
  const body = Buffer.concat(parts.toSorted((a, b) => a[0] - b[0]).map(([number, value]) => element(number, value)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([element(0, length), body]);
}

/** The command of whole command set bytes; undefined when they are not one. Elements that we do not name are skipped. */
export function decodeCommand(bytes: Buffer): Command | undefined {
  const numbers: Partial<Record<string, number>> = {};
  const texts: Partial<Record<string, string>> = {};
  let dataSetType: number | undefined;
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 8 || bytes.readUInt16LE(at) !== 0) return undefined;
    const number = bytes.readUInt16LE(at + 2);
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) return undefined;
    const value = bytes.subarray(at + 8, end);
    at = end;
    const known = FIELDS.find((field) => field[0] === number);
    if (number === DATA_SET_TYPE || known?.[2] === 'US') {
      if (value.length !== 2) return undefined;
      if (known === undefined) dataSetType = value.readUInt16LE(0);
      else numbers[known[1]] = value.readUInt16LE(0);
    } else if (known !== undefined) texts[known[1]] = value.toString('latin1').replace(/[\0 ]+$/, '');
  }
  const { commandField } = numbers;
  if (commandField === undefined || dataSetType === undefined) return undefined;
  return { ...numbers, ...texts, commandField, hasDataSet: dataSetType !== NO_DATA_SET };
}
