/** ED and RP to Attachment (maps ED[Attachment], RP[Attachment]). What an RP points to is never fetched. */
import { codeTable } from '../../../core/code-table.ts';
import { compact, textOf, type Context, type Element } from '../context.ts';

/** Main types of table 0191 to media types; `AP` and empty are application. */
const MAIN_TYPE: Readonly<Record<string, string>> = codeTable({
  AP: 'application',
  APPLICATION: 'application',
  AU: 'audio',
  AUDIO: 'audio',
  FT: 'text',
  IM: 'image',
  IMAGE: 'image',
  MULTIPART: 'multipart',
  SI: 'image',
  TEXT: 'text',
  TX: 'text',
  VIDEO: 'video',
});

/** ED: source application, type, subtype, encoding (A, Hex, Base64), data. Undefined when the data is not in its encoding. */
export function edAttachment(context: Context, parts: readonly string[], location: string): Element | undefined {
  const raw = parts[4] ?? '';
  const binary = isBinary(context, parts);
  const data = base64Of(context, raw, textOf(context, parts[3])?.toUpperCase() ?? (binary ? 'UNSAID' : 'A'));
  if (data === undefined) {
    context.omissions.push({ location, reason: 'not-an-attachment' });
    return undefined;
  }
  const main = textOf(context, parts[1]);
  return compact({ contentType: mediaType(main, textOf(context, parts[2])) ?? unsaidType(main, data), data });
}

/** What is no text cannot have been sent as it is: without an encoding in ED.4 its data can only be Base64. */
function isBinary(context: Context, parts: readonly string[]): boolean {
  const type = mediaType(textOf(context, parts[1]), textOf(context, parts[2]));
  return type !== undefined && !/^(text|multipart)\/|xml|json|html|rtf|hl7/.test(type);
}

/** First characters of Base64 that only one kind of file begins with. */
const SIGNATURES = [
  ['JVBERi0', 'application/pdf'],
  ['e1xydGY', 'application/rtf'],
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['SUkqA', 'image/tiff'],
  ['TU0AK', 'image/tiff'],
] as const;

/** Data needs a media type (R4 Attachment, att-1): a report is not refused because its sender left the subtype out. */
function unsaidType(main: string | undefined, data: string): string {
  const known = MAIN_TYPE[(main ?? '').toUpperCase()];
  if (known === 'text') return 'text/plain';
  // Some senders put the subtype first: `^PDF^^Base64^`.
  const first = known === undefined ? mediaType(undefined, main) : undefined;
  return first ?? SIGNATURES.find(([start]) => data.startsWith(start))?.[1] ?? 'application/octet-stream';
}

/** Base64 on one line, with the padding that some senders leave out; undefined for anything else. */
function bareBase64(text: string): string | undefined {
  const bare = text.replace(/\s+/g, '').replace(/={1,2}$/, '');
  return bare.length % 4 !== 1 && /^[A-Za-z0-9+/]+$/.test(bare)
    ? bare.padEnd(Math.ceil(bare.length / 4) * 4, '=')
    : undefined;
}

/** Base64 without line ends, whatever the encoding was. */
function base64Of(context: Context, raw: string, encoding: string | undefined): string | undefined {
  const text = textOf(context, raw);
  if (text === undefined) return undefined;
  if (encoding === 'BASE64' || encoding === 'UNSAID') {
    const padded = bareBase64(text);
    return padded === undefined && encoding === 'UNSAID' ? Buffer.from(text).toString('base64') : padded;
  }
  if (encoding === 'HEX') {
    const digits = text.replace(/\s+/g, '');
    return digits.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(digits)
      ? Buffer.from(digits, 'hex').toString('base64')
      : undefined;
  }
  return Buffer.from(text).toString('base64');
}

function mediaType(main: string | undefined, sub: string | undefined): string | undefined {
  if (sub === undefined) return undefined;
  if (/^[a-z]+\/[\w.+-]+$/i.test(sub)) return sub.toLowerCase();
  const subtype = sub.toLowerCase();
  if (!/^[\w.+-]+$/.test(subtype)) return undefined;
  if (['jpeg', 'jpg', 'png', 'gif', 'tiff'].includes(subtype)) return `image/${subtype === 'jpg' ? 'jpeg' : subtype}`;
  if (['plain', 'html', 'xml'].includes(subtype)) return `text/${subtype}`;
  return `${MAIN_TYPE[(main ?? '').toUpperCase()] ?? 'application'}/${subtype}`;
}

/** RP: pointer, application, type, subtype. */
export function rpAttachment(context: Context, parts: readonly string[]): Element | undefined {
  const pointer = textOf(context, parts[0]);
  if (pointer === undefined) return undefined;
  const contentType = mediaType(textOf(context, parts[2]), textOf(context, parts[3]));
  return /^\S+$/.test(pointer) ? compact({ contentType, url: pointer }) : compact({ contentType, title: pointer });
}
