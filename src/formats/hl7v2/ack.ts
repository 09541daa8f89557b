/**
 * Acknowledgements (HL7 v2 section 2.9, segments MSH, MSA, ERR): AA, AE, AR in original mode, CA, CE, CR in enhanced mode.
 * Sender and receiver of MSH are swapped, MSA-2 repeats MSH-10 as it came. Nothing else of the message is repeated, and
 * texts come from GatewayError, which holds no PHI.
 */
import type { GatewayError } from "../../core/errors.ts";
import { formatUuid, type Random } from "../../core/random.ts";
import { rawHeader } from "./message.ts";

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
}

const UNREADABLE: readonly string[] = [
  "MSH",
  "^~\\&",
  "",
  "",
  "",
  "",
  "",
  "",
  "",
  "",
  "P",
  "2.5",
];

/** Header of a message, parsable or not. What cannot be read is empty; non-ASCII text is left out, so that any charset reads it. */
export function ackHeader(bytes: Buffer): AckHeader {
  const found = rawHeader(bytes);
  const fields =
    found !== undefined && /^[!-/:-@[-`{-~]{1,5}$/.test(found[1])
      ? found
      : UNREADABLE;
  const start = bytes.indexOf("MSH") + 3;
  const mark = bytes.toString("latin1", start, start + 1);
  const separator =
    fields !== UNREADABLE && /[!-/:-@[-`{-~]/.test(mark) ? mark : "|";
  const encoding = fields[1];
  const field = (n: number): string => {
    const raw = (fields[n - 1] ?? "").trim();
    return /^[ -~]{0,250}$/.test(raw) && raw !== '""' ? raw : "";
  };
  const component = encoding[0];
  return {
    separator,
    encoding,
    sendingApplication: field(3),
    sendingFacility: field(4),
    receivingApplication: field(5),
    receivingFacility: field(6),
    messageCode: field(9).split(component)[0],
    trigger: field(9).split(component)[1] ?? "",
    controlId: field(10),
    processingId: field(11) === "" ? "P" : field(11),
    version: field(12).split(component)[0] || "2.5",
    acceptAck: field(15),
    applicationAck: field(16),
  };
}

/** True when MSH-15 or MSH-16 asks for enhanced mode (section 2.9.3). */
export function isEnhanced(header: AckHeader): boolean {
  return header.acceptAck !== "" || header.applicationAck !== "";
}

/**
 * Whether one answer is due, and of which kind (table 0155). An accept acknowledgement (C) goes first where MSH-15 wants
 * it; else the application acknowledgement (A) where MSH-16 does; undefined: the sender wants no answer.
 */
export function ackKind(header: AckHeader, ok: boolean): "A" | "C" | undefined {
  const wanted = (condition: string): boolean =>
    condition === "AL" ||
    condition === (ok ? "SU" : "ER") ||
    !["", "AL", "SU", "ER", "NE"].includes(condition);
  if (!isEnhanced(header)) return "A";
  if (wanted(header.acceptAck)) return "C";
  return wanted(header.applicationAck) ? "A" : undefined;
}

/** True when whoever takes this message will answer it; false where MSH-15 and MSH-16 want an answer to faults only, or none. */
export function expectsAnswer(message: Buffer): boolean {
  return ackKind(ackHeader(message), true) !== undefined;
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

/** The answer's text, segments ended by CR; undefined when the sender wants none. ASCII only. */
export function buildAck(parts: AckParts): string | undefined {
  const { header, error } = parts;
  const kind = ackKind(header, error === undefined);
  if (kind === undefined) return undefined;
  // An accept acknowledgement says that the message is kept, and no more.
  const told = error ?? (kind === "A" ? parts.warning : undefined);
  const text = error?.message ?? `kept, not converted yet: ${told?.message}`;
  const code = `${kind}${error === undefined ? "A" : error.form.hl7[0][1]}`;
  const join = (fields: readonly string[]): string =>
    fields
      .join(header.separator)
      .replace(new RegExp(`\\${header.separator}+$`), "");
  const component = header.encoding[0];
  const type = [
    "ACK",
    header.trigger,
    atLeast(header.version, 2.4) ? "ACK" : "",
  ].join(component);
  const lines = [
    `MSH${header.separator}${join([
      header.encoding,
      header.receivingApplication,
      header.receivingFacility,
      header.sendingApplication,
      header.sendingFacility,
      timestamp(parts.now),
      "",
      trimEnd(type, component),
      freshControlId(parts.random),
      header.processingId,
      header.version,
    ])}`,
    join([
      "MSA",
      code,
      header.controlId,
      told !== undefined && !atLeast(header.version, 2.7)
        ? plain(text, header, 80)
        : "",
    ]),
  ];
  if (error !== undefined)
    lines.push(join(errSegment(error, header, "E", text)));
  // Before v2.5 ERR has no severity: whoever reads one takes it for a fault.
  else if (told !== undefined && atLeast(header.version, 2.5))
    lines.push(join(errSegment(told, header, "W", text)));
  return lines.map((line) => `${line}\r`).join("");
}

/** ERR-2 location, ERR-3 condition of table 0357, ERR-4 severity, ERR-8 text; before v2.5 only ERR-1 (ELD). */
function errSegment(
  error: GatewayError,
  header: AckHeader,
  severity: "E" | "W",
  text: string,
): string[] {
  const component = header.encoding[0];
  const subcomponent = header.encoding[3] ?? "&";
  const condition = String(error.form.hl7[1]);
  const location = locationOf(error.expression);
  const name = CONDITIONS[condition] ?? "Application error";
  if (!atLeast(header.version, 2.5)) {
    const [segment = "", sequence = "", field = ""] = location;
    return [
      "ERR",
      [
        segment,
        sequence,
        field,
        [condition, name, "HL70357"].join(subcomponent),
      ].join(component),
    ];
  }
  return [
    "ERR",
    "",
    location.join(component),
    [condition, name, "HL70357"].join(component),
    severity,
    "",
    "",
    "",
    plain(text, header, 250),
  ];
}

/** `PID[1]-3[2].4` as ERL components: segment, sequence, field, repetition, component. */
function locationOf(expression: string | undefined): string[] {
  const match =
    /^([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?)?$/.exec(
      expression ?? "",
    );
  if (match === null) return [];
  const [, segment, sequence, field, repetition, component] = match;
  if (field === undefined) return [segment, sequence ?? "1"];
  const tail =
    component === undefined
      ? repetition === undefined
        ? []
        : [repetition]
      : [repetition ?? "1", component];
  return [segment, sequence ?? "1", field, ...tail];
}

/** HL7 table 0357. */
const CONDITIONS: Readonly<Record<string, string>> = {
  100: "Segment sequence error",
  101: "Required field missing",
  102: "Data type error",
  103: "Table value not found",
  200: "Unsupported message type",
  201: "Unsupported event code",
  202: "Unsupported processing id",
  203: "Unsupported version id",
  204: "Unknown key identifier",
  205: "Duplicate key identifier",
  206: "Application record locked",
  207: "Application internal error",
};

/** Text that no delimiter of this message can break: printable ASCII, delimiters as blanks. */
function plain(text: string, header: AckHeader, length: number): string {
  const special = new Set(header.encoding + header.separator);
  return text
    .replace(/[^ -~]/g, "?")
    .replace(/./g, (character) => (special.has(character) ? " " : character))
    .slice(0, length);
}

function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return text.slice(0, end);
}

/** True for version text such as `2.5.1` that is at least `version`. */
function atLeast(text: string, version: number): boolean {
  return Number.parseFloat(text) >= version;
}

/** 20 characters, what MSH-10 holds before v2.7. */
function freshControlId(random: Random): string {
  return formatUuid(random.bytes(16))
    .replaceAll("-", "")
    .slice(0, 20)
    .toUpperCase();
}

/** Milliseconds since 1970 as `YYYYMMDDHHMMSS.sss+0000`. */
export function timestamp(millis: number): string {
  const iso = new Date(millis).toISOString();
  return `${iso.slice(0, 19).replace(/[-T:]/g, "")}${iso.slice(19, 23)}+0000`;
}

/**
 * The answer to a batch (section 2.10.3): BHS, the acknowledgements of its messages in order, BTS with their number. `head`
 * begins with the BHS or MSH that is answered; sender and receiver are swapped.
 */
export function buildBatchAnswer(
  head: Buffer,
  answers: readonly string[],
  now: number,
  random: Random,
): string {
  const isBatchHeader = head.toString("latin1", 0, 3) === "BHS";
  // BHS-2 to BHS-7 have the seats of MSH-2 to MSH-7.
  const header = ackHeader(
    isBatchHeader
      ? Buffer.concat([Buffer.from("MSH"), head.subarray(3)])
      : head,
  );
  const { separator } = header;
  const batchId = isBatchHeader
    ? (head.toString("latin1").split(separator)[10] ?? "")
    : "";
  const bhs = [
    "BHS",
    header.encoding,
    header.receivingApplication,
    header.receivingFacility,
    header.sendingApplication,
    header.sendingFacility,
    timestamp(now),
    "",
    "",
    "",
    freshControlId(random),
    /^[ -~]{0,199}$/.test(batchId) ? batchId : "",
  ];
  return `${trimEnd(bhs.join(separator), separator)}\r${answers.join("")}BTS${separator}${answers.length}\r`;
}

/** What a sender reads of an answer: MSA-1, MSA-2, ERR-3.1 and the text; undefined when it is no acknowledgement. */
export interface ParsedAck {
  readonly code: string;
  readonly controlId: string;
  readonly condition: string | undefined;
  readonly text: string | undefined;
}

/** Reads an acknowledgement, leniently. */
export function parseAck(bytes: Buffer): ParsedAck | undefined {
  const text = bytes.toString("utf8");
  if (!text.startsWith("MSH") || text.length < 5) return undefined;
  const separator = text[3];
  const component = text[4];
  const segments = text.split(/[\r\n]+/).map((line) => line.split(separator));
  const msa = segments.find((fields) => fields[0] === "MSA");
  if (msa === undefined) return undefined;
  const err = segments.find((fields) => fields[0] === "ERR");
  // ERR-3 since v2.5; before that the fourth component of ERR-1.
  const condition =
    err?.[3]?.split(component)[0] ||
    err?.[1]?.split(component)[3]?.split(text[7])[0] ||
    undefined;
  return {
    code: msa[1] ?? "",
    controlId: msa[2] ?? "",
    condition,
    text: err?.[8] || msa[3] || undefined,
  };
}
