/**
 * Upper layer PDUs as typed values (PS3.8 section 9.3 and annex D, PS3.7 annex D.3). What the types name is kept; sub-items
 * that we do not negotiate are kept as bytes, so that decode after encode is the identity.
 */

/** One proposed presentation context; `id` odd, 1 to 255. */
export interface ProposedContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
}

/** Result of one presentation context (PS3.8 table 9-18). */
export const CONTEXT_RESULT = {
  acceptance: 0,
  userRejection: 1,
  noReason: 2,
  abstractSyntaxNotSupported: 3,
  transferSyntaxesNotSupported: 4,
} as const;

/** The answer to one proposed context; `transferSyntax` counts only with result 0. */
export interface AnsweredContext {
  readonly id: number;
  readonly result: number;
  readonly transferSyntax: string;
}

/** User information item. `maxPduBytes` 0: no limit. */
export interface UserInformation {
  readonly maxPduBytes: number;
  readonly implementationClassUid: string;
  readonly implementationVersionName: string | undefined;
  /** Sub-items that are not read (roles, asynchronous operations, user identity ...), as they came. */
  readonly others: readonly { readonly type: number; readonly data: Buffer }[];
}

interface AssociateFields {
  readonly protocolVersion: number;
  /** At most 16 characters, without the padding. */
  readonly calledAe: string;
  readonly callingAe: string;
  readonly applicationContext: string;
  readonly userInformation: UserInformation;
}

export interface AssociateRq extends AssociateFields {
  readonly type: 'A-ASSOCIATE-RQ';
  readonly contexts: readonly ProposedContext[];
}

export interface AssociateAc extends AssociateFields {
  readonly type: 'A-ASSOCIATE-AC';
  readonly contexts: readonly AnsweredContext[];
}

/** Codes of PS3.8 table 9-21. */
export interface AssociateRj {
  readonly type: 'A-ASSOCIATE-RJ';
  readonly result: number;
  readonly source: number;
  readonly reason: number;
}

/** One presentation data value: a fragment of a command or of a data set. `data` may be a view of the received bytes. */
export interface DataValue {
  readonly context: number;
  readonly command: boolean;
  readonly last: boolean;
  readonly data: Buffer;
}

export interface DataTf {
  readonly type: 'P-DATA-TF';
  readonly values: readonly DataValue[];
}

export interface ReleaseRq {
  readonly type: 'A-RELEASE-RQ';
}

export interface ReleaseRp {
  readonly type: 'A-RELEASE-RP';
}

/** Codes of PS3.8 table 9-26. */
export interface Abort {
  readonly type: 'A-ABORT';
  readonly source: number;
  readonly reason: number;
}

export type Pdu = AssociateRq | AssociateAc | AssociateRj | DataTf | ReleaseRq | ReleaseRp | Abort;

/** Reasons of an A-ABORT by the service provider (source 2). */
export const ABORT_REASON = {
  notSpecified: 0,
  unrecognizedPdu: 1,
  unexpectedPdu: 2,
  unrecognizedParameter: 4,
  unexpectedParameter: 5,
  invalidParameter: 6,
} as const;

/** A PDU that cannot be read; `reason` is what our A-ABORT says. */
export interface PduFault {
  readonly type: 'fault';
  readonly reason: number;
}

/** PDU type bytes (PS3.8 section 9.3.1). */
export const PDU_TYPE = {
  'A-ASSOCIATE-RQ': 1,
  'A-ASSOCIATE-AC': 2,
  'A-ASSOCIATE-RJ': 3,
  'P-DATA-TF': 4,
  'A-RELEASE-RQ': 5,
  'A-RELEASE-RP': 6,
  'A-ABORT': 7,
} as const satisfies Record<Pdu['type'], number>;

/** Bytes of a PDU before its variable field: type, reserved, length. */
export const PDU_HEADER_BYTES = 6;
/** Bytes of a PDV before its data: length, context id, message control header. */
export const PDV_HEADER_BYTES = 6;

const ITEM = {
  applicationContext: 0x10,
  proposedContext: 0x20,
  answeredContext: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
  maxLength: 0x51,
  implementationClass: 0x52,
  implementationVersion: 0x55,
} as const;

const AE_BYTES = 16;
/** Protocol version, reserved, two AE titles, 32 reserved bytes. */
const ASSOCIATE_FIXED_BYTES = 2 + 2 + AE_BYTES + AE_BYTES + 32;

/** The bytes of a PDU. Throws RangeError for values that have no encoding (an AE title of 17 characters). */
export function encodePdu(pdu: Pdu): Buffer {
  switch (pdu.type) {
    case 'A-ASSOCIATE-RQ':
      return framed(pdu.type, associateBody(pdu, pdu.contexts.map(proposedItem)));
    case 'A-ASSOCIATE-AC':
      return framed(pdu.type, associateBody(pdu, pdu.contexts.map(answeredItem)));
    case 'A-ASSOCIATE-RJ':
      return framed(pdu.type, Buffer.from([0, pdu.result, pdu.source, pdu.reason]));
    case 'P-DATA-TF':
      return framed(pdu.type, Buffer.concat(pdu.values.flatMap((value) => [dataValueHeader(value), value.data])));
    case 'A-RELEASE-RQ':
    case 'A-RELEASE-RP':
      return framed(pdu.type, Buffer.alloc(4));
    case 'A-ABORT':
      return framed(pdu.type, Buffer.from([0, 0, pdu.source, pdu.reason]));
  }
}

function framed(type: Pdu['type'], body: Buffer): Buffer {
  const header = Buffer.alloc(PDU_HEADER_BYTES);
  header[0] = PDU_TYPE[type];
  header.writeUInt32BE(body.length, 2);
  return Buffer.concat([header, body]);
}

function dataValueHeader(value: DataValue): Buffer {
  const header = Buffer.alloc(PDV_HEADER_BYTES);
  header.writeUInt32BE(value.data.length + 2, 0);
  header[4] = value.context;
  header[5] = (value.command ? 1 : 0) | (value.last ? 2 : 0);
  return header;
}

function item(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const header = Buffer.alloc(4);
  header[0] = type;
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}

const textItem = (type: number, text: string): Buffer => item(type, Buffer.from(text, 'latin1'));

function aeTitle(title: string): Buffer {
  if (title.length > AE_BYTES) throw new RangeError(`an AE title has at most ${AE_BYTES} characters`);
  return Buffer.from(title.padEnd(AE_BYTES), 'latin1');
}

const proposedItem = (context: ProposedContext): Buffer =>
  item(
    ITEM.proposedContext,
    Buffer.from([context.id, 0, 0, 0]),
    textItem(ITEM.abstractSyntax, context.abstractSyntax),
    ...context.transferSyntaxes.map((uid) => textItem(ITEM.transferSyntax, uid)),
  );

const answeredItem = (context: AnsweredContext): Buffer =>
  item(
    ITEM.answeredContext,
    Buffer.from([context.id, 0, context.result, 0]),
    textItem(ITEM.transferSyntax, context.transferSyntax),
  );

function associateBody(fields: AssociateFields, contexts: readonly Buffer[]): Buffer {
  const fixed = Buffer.alloc(ASSOCIATE_FIXED_BYTES);
  fixed.writeUInt16BE(fields.protocolVersion, 0);
  aeTitle(fields.calledAe).copy(fixed, 4);
  aeTitle(fields.callingAe).copy(fixed, 4 + AE_BYTES);
  const info = fields.userInformation;
  const maxLength = Buffer.alloc(4);
  maxLength.writeUInt32BE(info.maxPduBytes);
  const version = info.implementationVersionName;
  return Buffer.concat([
    fixed,
    textItem(ITEM.applicationContext, fields.applicationContext),
    ...contexts,
    item(
      ITEM.userInformation,
      item(ITEM.maxLength, maxLength),
      textItem(ITEM.implementationClass, info.implementationClassUid),
      ...(version === undefined ? [] : [textItem(ITEM.implementationVersion, version)]),
      ...info.others.map((other) => item(other.type, other.data)),
    ),
  ]);
}

const invalid: PduFault = { type: 'fault', reason: ABORT_REASON.invalidParameter };

/** The value of one whole PDU's type byte and variable field; a fault for what PS3.8 does not allow. Never throws. */
export function decodePdu(type: number, body: Buffer): Pdu | PduFault {
  switch (type) {
    case PDU_TYPE['A-ASSOCIATE-RQ']:
      return decodeAssociate(body, 'A-ASSOCIATE-RQ');
    case PDU_TYPE['A-ASSOCIATE-AC']:
      return decodeAssociate(body, 'A-ASSOCIATE-AC');
    case PDU_TYPE['A-ASSOCIATE-RJ']:
      return body.length === 4
        ? { type: 'A-ASSOCIATE-RJ', result: body[1], source: body[2], reason: body[3] }
        : invalid;
    case PDU_TYPE['P-DATA-TF']:
      return decodeDataTf(body);
    case PDU_TYPE['A-RELEASE-RQ']:
      return body.length === 4 ? { type: 'A-RELEASE-RQ' } : invalid;
    case PDU_TYPE['A-RELEASE-RP']:
      return body.length === 4 ? { type: 'A-RELEASE-RP' } : invalid;
    case PDU_TYPE['A-ABORT']:
      return body.length === 4 ? { type: 'A-ABORT', source: body[2], reason: body[3] } : invalid;
    default:
      return { type: 'fault', reason: ABORT_REASON.unrecognizedPdu };
  }
}

function decodeDataTf(body: Buffer): DataTf | PduFault {
  const values: DataValue[] = [];
  for (let at = 0; at < body.length;) {
    if (body.length - at < PDV_HEADER_BYTES) return invalid;
    const length = body.readUInt32BE(at);
    if (length < 2 || at + 4 + length > body.length) return invalid;
    const control = body[at + 5];
    const data = body.subarray(at + PDV_HEADER_BYTES, at + 4 + length);
    values.push({ context: body[at + 4], command: (control & 1) === 1, last: (control & 2) === 2, data });
    at += 4 + length;
  }
  return { type: 'P-DATA-TF', values };
}

interface Item {
  readonly type: number;
  readonly data: Buffer;
}

/** The items of a variable field; undefined when their lengths do not add up. */
function itemsOf(bytes: Buffer): readonly Item[] | undefined {
  const items: Item[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 4) return undefined;
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    if (end > bytes.length) return undefined;
    items.push({ type: bytes[at], data: bytes.subarray(at + 4, end) });
    at = end;
  }
  return items;
}

/** A UID's text; some senders pad it with a NUL or a space though PS3.8 says not to. */
const uidText = (bytes: Buffer): string => bytes.toString('latin1').replace(/[\0 ]+$/, '');
const aeText = (bytes: Buffer): string =>
  bytes
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .replace(/^ +/, '');

function decodeUserInformation(data: Buffer): UserInformation | undefined {
  const items = itemsOf(data);
  if (items === undefined) return undefined;
  let maxPduBytes = 0;
  let implementationClassUid = '';
  let implementationVersionName: string | undefined;
  const others: Item[] = [];
  for (const { type, data: value } of items) {
    if (type === ITEM.maxLength) {
      if (value.length !== 4) return undefined;
      maxPduBytes = value.readUInt32BE(0);
    } else if (type === ITEM.implementationClass) implementationClassUid = uidText(value);
    else if (type === ITEM.implementationVersion) implementationVersionName = value.toString('latin1').trimEnd();
    else others.push({ type, data: Buffer.from(value) });
  }
  return { maxPduBytes, implementationClassUid, implementationVersionName, others };
}

function decodeProposed(data: Buffer): ProposedContext | undefined {
  const items = data.length < 4 ? undefined : itemsOf(data.subarray(4));
  if (items === undefined) return undefined;
  const uidsOf = (type: number): string[] =>
    items.filter((entry) => entry.type === type).map((entry) => uidText(entry.data));
  const [abstractSyntax] = uidsOf(ITEM.abstractSyntax);
  return abstractSyntax === undefined
    ? undefined
    : { id: data[0], abstractSyntax, transferSyntaxes: uidsOf(ITEM.transferSyntax) };
}

function decodeAnswered(data: Buffer): AnsweredContext | undefined {
  const items = data.length < 4 ? undefined : itemsOf(data.subarray(4));
  if (items === undefined) return undefined;
  // A rejected context may come without a transfer syntax: it is not to be tested then.
  const syntax = items.find((entry) => entry.type === ITEM.transferSyntax);
  return { id: data[0], result: data[2], transferSyntax: syntax === undefined ? '' : uidText(syntax.data) };
}

function decodeAssociate(body: Buffer, type: 'A-ASSOCIATE-RQ' | 'A-ASSOCIATE-AC'): Pdu | PduFault {
  const items = body.length < ASSOCIATE_FIXED_BYTES ? undefined : itemsOf(body.subarray(ASSOCIATE_FIXED_BYTES));
  if (items === undefined) return invalid;
  let applicationContext = '';
  let userInformation: UserInformation | undefined;
  const proposed: ProposedContext[] = [];
  const answered: AnsweredContext[] = [];
  for (const { type: itemType, data } of items) {
    if (itemType === ITEM.applicationContext) applicationContext = uidText(data);
    else if (itemType === ITEM.userInformation) {
      userInformation = decodeUserInformation(data);
      if (userInformation === undefined) return invalid;
    } else if (itemType === ITEM.proposedContext) {
      const context = decodeProposed(data);
      if (context === undefined) return invalid;
      proposed.push(context);
    } else if (itemType === ITEM.answeredContext) {
      const context = decodeAnswered(data);
      if (context === undefined) return invalid;
      answered.push(context);
    }
  }
  if (userInformation === undefined) return invalid;
  const fields: AssociateFields = {
    protocolVersion: body.readUInt16BE(0),
    calledAe: aeText(body.subarray(4, 4 + AE_BYTES)),
    callingAe: aeText(body.subarray(4 + AE_BYTES, 4 + 2 * AE_BYTES)),
    applicationContext,
    userInformation,
  };
  return type === 'A-ASSOCIATE-RQ' ? { type, ...fields, contexts: proposed } : { type, ...fields, contexts: answered };
}
