/**
 * The R4 primitive data types (hl7.org/fhir/R4/datatypes.html): which JSON values are one. Answers only yes or no, so that
 * no value can get into a message.
 */
import { codeTable } from '../../core/code-table.ts';
import { isSafeNarrative } from './narrative.ts';

/** True when the JSON value is of the primitive type. */
export type PrimitiveTest = (value: unknown) => boolean;

const ID = /^[A-Za-z0-9\-.]{1,64}$/;
const CODE = /^[^\s]+(?:\s[^\s]+)*$/;
const OID = /^urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+$/;
const UUID = /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const TIME = /^(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?$/;
const DATE = /^\d{4}(?:-\d\d(?:-\d\d)?)?$/;
const DATE_TIME =
  /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)$/;
const NOT_SPACE = /\S/;
/** Below U+0020 only tab, line feed and carriage return are allowed. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const SPACE = /\s/;
const MAX_INT = 2_147_483_647;
/** R4 string: "Strings SHALL NOT exceed 1MB in size"; markdown likewise. */
const MAX_STRING = 1_048_576;

function isString(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_STRING &&
    NOT_SPACE.test(value) &&
    !CONTROL.test(value)
  );
}

function isUri(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && !SPACE.test(value) && !CONTROL.test(value);
}

/** Year 1 to 9999, month, day of the calendar: the regular expression has seen the form. */
function isCalendar(text: string): boolean {
  const year = Number(text.slice(0, 4));
  if (year === 0) return false;
  if (text.length < 7) return true;
  const month = Number(text.slice(5, 7));
  if (month < 1 || month > 12) return false;
  if (text.length < 10) return true;
  const day = Number(text.slice(8, 10));
  if (day < 29) return day > 0;
  if (month === 2) return day === 29 && ((year % 4 === 0 && year % 100 !== 0) || year % 400 === 0);
  return day <= (month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31);
}

function isDate(value: unknown): boolean {
  return typeof value === 'string' && DATE.test(value) && isCalendar(value);
}

function isInstant(value: unknown): boolean {
  return typeof value === 'string' && DATE_TIME.test(value) && isCalendar(value);
}

function isInteger(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= -MAX_INT - 1 && value <= MAX_INT;
}

/** A finite number, or the wrapper that keeps a decimal's text (`json.ts`). */
function isDecimal(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value === 'object' && value !== null && 'text' in value && 'toJSON' in value;
}

/** RFC 4648 section 4 with white space, as R4 allows; by hand, since attachments are megabytes. */
function isBase64(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  let count = 0;
  let padding = 0;
  for (let at = 0; at < value.length; at += 1) {
    const c = value.charCodeAt(at);
    if (c === 0x20 || c === 0x09 || c === 0x0a || c === 0x0d) continue;
    if (c === 0x3d) padding += 1;
    else if (
      padding > 0 ||
      !((c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || (c >= 0x2f && c <= 0x39) || c === 0x2b)
    ) {
      return false;
    }
    count += 1;
  }
  return count > 0 && count % 4 === 0 && padding <= 2;
}

/** The test of each primitive type by its name. */
export const PRIMITIVES: Readonly<Record<string, PrimitiveTest>> = codeTable({
  base64Binary: isBase64,
  boolean: (value) => typeof value === 'boolean',
  canonical: isUri,
  code: (value) => typeof value === 'string' && CODE.test(value) && !CONTROL.test(value),
  date: isDate,
  dateTime: (value) => isDate(value) || isInstant(value),
  decimal: isDecimal,
  id: (value) => typeof value === 'string' && ID.test(value),
  instant: isInstant,
  integer: isInteger,
  markdown: isString,
  oid: (value) => typeof value === 'string' && OID.test(value),
  positiveInt: (value) => isInteger(value) && value > 0,
  string: isString,
  time: (value) => typeof value === 'string' && TIME.test(value),
  unsignedInt: (value) => isInteger(value) && value >= 0,
  uri: isUri,
  url: isUri,
  uuid: (value) => typeof value === 'string' && UUID.test(value),
  xhtml: (value) => typeof value === 'string' && isSafeNarrative(value),
});
