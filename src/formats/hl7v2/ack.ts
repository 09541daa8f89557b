/**
 * Acknowledgements (HL7 v2 section 2.9, segments MSH, MSA, ERR): AA, AE, AR in original mode, CA, CE, CR in enhanced mode.
 * Sender and receiver of MSH are swapped, MSA-2 repeats MSH-10 as it came, in its own bytes. Nothing else of the message is
 * repeated but the keys of a master file (MFK), and texts come from GatewayError, which holds no PHI.
 */
import { codeTable } from '../../core/code-table.ts';
import type { GatewayError } from '../../core/errors.ts';
import { formatUuid, type Random } from '../../core/random.ts';
import { byteOrderMark } from './charset.ts';
import { masterFileOf, masterFileSegments, masterFileType, type MasterFile } from './master-file-answer.ts';
import { rawHeader, type RawHeader } from './message.ts';
import { encodeWide, isWide, narrow } from './wide-charset.ts';

/** What an answer needs of the message it answers: raw fields of its MSH. */
export interface AckHeader {
  readonly separator: string;
  /** MSH-2. */
  readonly encoding: string;
  /** MSH-3 to MSH-6. */
  readonly sendingApplication: string;
  readonly sendingFacility: string;
  readonly receivingApplication: string;
  readonly receivingFacility: string;
  /** MSH-9.1 and MSH-9.2. */
  readonly messageCode: string;
  readonly trigger: string;
  readonly controlId: string;
  readonly processingId: string;
  readonly version: string;
  /** MSH-15 and MSH-16 (table 0155: AL, NE, ER, SU); empty in original mode. */
  readonly acceptAck: string;
  readonly applicationAck: string;
  /** MSH-18. */
  readonly charset: string;
  /** Of an MFN: what its answer repeats. */
  readonly masterFile?: MasterFile;
}

const UNREADABLE: RawHeader = { separator: '|', fields: ['MSH'] };

const DEFAULT_ENCODING = '^~\\&';

/**
 * Header of a message, parsable or not. What cannot be read is empty. Its texts are the Latin-1 characters of the bytes that came, in
 * whatever character set: an answer repeats them byte for byte (`answerBytes`).
 */
export function ackHeader(bytes: Buffer): AckHeader {
  const { separator, fields, encoding } = delimitersOf(rawHeader(bytes) ?? UNREADABLE);
  const field = (n: number): string => {
    const raw = (fields[n - 1] ?? '').trim();
    return /^[ -~\u0080-\u00ff]{0,250}$/.test(raw) && raw !== '""' ? raw : '';
  };
  const component = encoding[0];
  const messageCode = field(9).split(component)[0];
  const masterFile = messageCode === 'MFN' ? masterFileOf(bytes, separator) : undefined;
  return {
    separator,
    encoding,
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    messageCode,
    trigger: field(9).split(component)[1] ?? '',
    controlId: field(10),
    processingId: field(11) === '' ? 'P' : field(11),
    version: field(12).split(component)[0] || '2.5',
    acceptAck: field(15),
    applicationAck: field(16),
    charset: field(18),
    ...(masterFile && { masterFile }),
  };
}

/** A header whose MSH-2 is no use is answered with the recommended one, as long as that leaves the separator alone. */
function delimitersOf({ separator, fields }: RawHeader): RawHeader & { readonly encoding: string } {
  if (/^[!-/:-@[-`{-~]$/.test(separator)) {
    if (/^[!-/:-@[-`{-~]{1,5}$/.test(fields[1])) return { separator, fields, encoding: fields[1] };
    if (!DEFAULT_ENCODING.includes(separator)) return { separator, fields, encoding: DEFAULT_ENCODING };
  }
  return { ...UNREADABLE, encoding: DEFAULT_ENCODING };
}

/** Bytes of an answer's text, in the encoding of the message where that is UTF-16 or UTF-32: its sender reads no other. */
export function answerBytes(text: string, message: Buffer): Buffer {
  const mark = byteOrderMark(message);
  return mark !== undefined && isWide(mark.charset)
    ? Buffer.concat([message.subarray(0, mark.length), encodeWide(text, mark.charset)])
    : Buffer.from(text, 'latin1');
}

/** HL7 table 0155: when an acknowledgement is wanted: always, never, on faults only, on success only. */
export type AcknowledgementCondition = 'AL' | 'NE' | 'ER' | 'SU';

/** How a message is answered that leaves MSH-15 and MSH-16 empty. */
export type AcknowledgementMode =
  'original' | { readonly accept: AcknowledgementCondition; readonly application: AcknowledgementCondition };

export function isAcknowledgementCondition(value: unknown): value is AcknowledgementCondition {
  return value === 'AL' || value === 'NE' || value === 'ER' || value === 'SU';
}

/** True when MSH-15 or MSH-16 asks for enhanced mode (section 2.9.3). */
export function isEnhanced(header: AckHeader): boolean {
  return header.acceptAck !== '' || header.applicationAck !== '';
}

/** The header as if the sender had asked for `mode` in MSH-15 and MSH-16, where it leaves both empty. */
export function inMode(header: AckHeader, mode: AcknowledgementMode): AckHeader {
  if (mode === 'original' || isEnhanced(header)) return header;
  return { ...header, acceptAck: mode.accept, applicationAck: mode.application };
}

/** An application acknowledgement (AA, AE, AR), or an accept acknowledgement (CA, CE, CR). */
export type AckKind = 'A' | 'C';

/**
 * Which answers are due, in their order (sections 2.9.2, 2.9.3, table 0155): one A in original mode; in enhanced mode C where
 * MSH-15 wants it, then A where MSH-16 does. After CE or CR nothing follows: what was not kept is not processed. A condition of
 * no table counts as `AL`.
 */
export function ackKinds(header: AckHeader, ok: boolean): readonly AckKind[] {
  const wanted = (condition: string): boolean =>
    condition === 'AL' || condition === (ok ? 'SU' : 'ER') || !['', 'AL', 'SU', 'ER', 'NE'].includes(condition);
  if (!isEnhanced(header)) return ['A'];
  const accept: readonly AckKind[] = wanted(header.acceptAck) ? ['C'] : [];
  if (accept.length > 0 && !ok) return accept;
  return wanted(header.applicationAck) ? [...accept, 'A'] : accept;
}

/** How many answers whoever takes this message will give; 0 where MSH-15 and MSH-16 want answers to faults only, or none. */
export function expectedAnswers(message: Buffer): number {
  return ackKinds(ackHeader(message), true).length;
}

/** True for a message that is itself an acknowledgement: it is never answered, else two systems would thank each other for ever. */
export function isAcknowledgement(header: AckHeader): boolean {
  return ['ACK', 'MCF', 'MFK'].includes(header.messageCode);
}

export interface AckParts {
  readonly header: AckHeader;
  /** Undefined: accepted. */
  readonly error?: GatewayError;
  /** Of an accepted message: what the sender may want to know all the same (ERR-4 `W`). */
  readonly warning?: GatewayError;
  /** MSH-7 of the answer, milliseconds since 1970. */
  readonly now: number;
  readonly random: Random;
}

/**
 * The answers' text, segments ended by CR: one message, or in enhanced mode up to two, one after the other (`splitAnswers`);
 * undefined when the sender wants none. Latin-1 characters stand for bytes (`answerBytes`).
 */
export function buildAck(parts: AckParts): string | undefined {
  const kinds = ackKinds(parts.header, parts.error === undefined);
  return kinds.length === 0 ? undefined : kinds.map((kind) => buildOne(parts, kind)).join('');
}

/** The messages of `buildAck`, each for a frame of its own. */
export function splitAnswers(text: string): readonly string[] {
  return text === '' ? [] : text.split(/(?<=\r)(?=MSH)/);
}

function buildOne(parts: AckParts, kind: AckKind): string {
  const { header, error } = parts;
  // An accept acknowledgement says that the message is kept, and no more.
  const told = error ?? (kind === 'A' ? parts.warning : undefined);
  const text = `${error === undefined ? 'kept, not converted yet: ' : ''}${told?.message}${placeOf(told)}`;
  const code = `${kind}${error === undefined ? 'A' : error.form.hl7[0][1]}`;
  // Nobody is to acknowledge an application acknowledgement of enhanced mode.
  const conditions = kind === 'A' && isEnhanced(header) ? ['NE', 'NE'] : ['', ''];
  const join = (fields: readonly string[]): string =>
    fields.join(header.separator).replace(new RegExp(`\\${header.separator}+$`), '');
  const component = header.encoding[0];
  const masterFile = kind === 'A' ? header.masterFile : undefined;
  const type =
    masterFile === undefined
      ? ['ACK', header.trigger, atLeast(header.version, 2.4) ? 'ACK' : ''].join(component)
      : masterFileType(header);
  const lines = [
    `MSH${header.separator}${join([
      header.encoding,
      header.receivingApplication,
      header.receivingFacility,
      header.sendingApplication,
      header.sendingFacility,
      timestamp(parts.now),
      '',
      trimEnd(type, component),
      freshControlId(parts.random),
      header.processingId,
      header.version,
      '',
      '',
      ...conditions,
      '',
      charsetOfAnswer(header),
    ])}`,
    join([
      'MSA',
      code,
      header.controlId,
      told !== undefined && !atLeast(header.version, 2.7) ? plain(text, header, 80) : '',
    ]),
  ];
  if (error !== undefined) lines.push(join(errSegment(error, header, 'E', text)));
  // Before v2.5 ERR has no severity: whoever reads one takes it for a fault.
  else if (told !== undefined && atLeast(header.version, 2.5)) lines.push(join(errSegment(told, header, 'W', text)));
  if (masterFile !== undefined)
    lines.push(...masterFileSegments(masterFile, header.separator, told === undefined, timestamp(parts.now)));
  return lines.map((line) => `${line}\r`).join('');
}

/** Only what is repeated of the message can be anything but ASCII. */
function charsetOfAnswer(header: AckHeader): string {
  const { controlId, sendingApplication, sendingFacility, receivingApplication, receivingFacility } = header;
  const repeated = [controlId, sendingApplication, sendingFacility, receivingApplication, receivingFacility];
  if (header.masterFile !== undefined) return header.charset;
  return repeated.every((text) => /^[ -~]*$/.test(text)) ? '' : header.charset;
}

/** ERR-2 location, ERR-3 condition of table 0357, ERR-4 severity, ERR-8 text; before v2.5 only ERR-1 (ELD). */
function errSegment(error: GatewayError, header: AckHeader, severity: 'E' | 'W', text: string): string[] {
  const component = header.encoding[0];
  const subcomponent = header.encoding[3] ?? '&';
  const condition = String(error.form.hl7[1]);
  const location = locationOf(error.expression);
  const name = CONDITIONS[condition] ?? 'Application error';
  if (!atLeast(header.version, 2.5)) {
    const [segment = '', sequence = '', field = ''] = location;
    return ['ERR', [segment, sequence, field, [condition, name, 'HL70357'].join(subcomponent)].join(component)];
  }
  return [
    'ERR',
    '',
    location.join(component),
    [condition, name, 'HL70357'].join(component),
    severity,
    '',
    '',
    '',
    plain(text, header, 250),
  ];
}

/** A place that is none of a message, such as `Encounter.subject`: ERR-2 has no room for it. */
function placeOf(error: GatewayError | undefined): string {
  const { expression } = error ?? {};
  return expression === undefined || locationOf(expression).length > 0 ? '' : ` (${expression})`;
}

/** `PID[1]-3[2].4` as ERL components: segment, sequence, field, repetition, component. */
function locationOf(expression: string | undefined): string[] {
  const match = /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?)?$/.exec(expression ?? '');
  if (match === null) return [];
  const [, segment, sequence, field, repetition, component] = match;
  if (field === undefined) return [segment, sequence ?? '1'];
  const tail =
    component === undefined ? (repetition === undefined ? [] : [repetition]) : [repetition ?? '1', component];
  return [segment, sequence ?? '1', field, ...tail];
}

/** HL7 table 0357. */
const CONDITIONS: Readonly<Record<string, string>> = codeTable({
  100: 'Segment sequence error',
  101: 'Required field missing',
  102: 'Data type error',
  103: 'Table value not found',
  200: 'Unsupported message type',
  201: 'Unsupported event code',
  202: 'Unsupported processing id',
  203: 'Unsupported version id',
  204: 'Unknown key identifier',
  205: 'Duplicate key identifier',
  206: 'Application record locked',
  207: 'Application internal error',
});

/** Text that no delimiter of this message can break: printable ASCII, delimiters as blanks. */
function plain(text: string, header: AckHeader, length: number): string {
  const special = new Set(header.encoding + header.separator);
  return text
    .replace(/[^ -~]/g, '?')
    .replace(/./g, (character) => (special.has(character) ? ' ' : character))
    .slice(0, length);
}

/** Without the characters of this kind at its end. */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}

/** True for version text such as `2.5.1` that is at least `version`. */
function atLeast(text: string, version: number): boolean {
  return Number.parseFloat(text) >= version;
}

/** 20 characters, what MSH-10 holds before v2.7. */
export function freshControlId(random: Random): string {
  return formatUuid(random.bytes(16)).replaceAll('-', '').slice(0, 20).toUpperCase();
}

/** Milliseconds since 1970 as `YYYYMMDDHHMMSS.sss+0000`. */
export function timestamp(millis: number): string {
  const iso = new Date(millis).toISOString();
  return `${iso.slice(0, 19).replace(/[-T:]/g, '')}${iso.slice(19, 23)}+0000`;
}

/** What a sender reads of an answer: MSA-1, MSA-2 (Latin-1 characters of its bytes), ERR-3.1 and the text; undefined when it is no acknowledgement. */
export interface ParsedAck {
  readonly code: string;
  readonly controlId: string;
  readonly condition: string | undefined;
  readonly text: string | undefined;
}

/** Reads an acknowledgement, leniently. */
export function parseAck(bytes: Buffer): ParsedAck | undefined {
  const mark = byteOrderMark(bytes);
  const body = bytes.subarray(mark?.length ?? 0);
  const text = (mark !== undefined && isWide(mark.charset) ? narrow(body, mark.charset) : body).toString('latin1');
  if (!text.startsWith('MSH') || text.length < 5) return undefined;
  const separator = text[3];
  const component = text[4];
  const segments = text.split(/[\r\n]+/).map((line) => line.split(separator));
  const msa = segments.find((fields) => fields[0] === 'MSA');
  if (msa === undefined) return undefined;
  const err = segments.find((fields) => fields[0] === 'ERR');
  // ERR-3 since v2.5; before that the fourth component of ERR-1.
  const condition = err?.[3]?.split(component)[0] || err?.[1]?.split(component)[3]?.split(text[7])[0] || undefined;
  const said = err?.[8] || msa[3];
  return {
    code: msa[1] ?? '',
    controlId: msa[2] ?? '',
    condition,
    text: said ? Buffer.from(said, 'latin1').toString() : undefined,
  };
}
