/** XTN to ContactPoint (map XTN[ContactPoint], tables 0201 and 0202). R4 rule cpt-2: a value has a system. */
import { codeTable } from '../../../core/code-table.ts';
import { components } from '../../../formats/hl7v2/delimiters.ts';
import { compact, extension, periodOf, present, textOf, type Context, type Element } from '../context.ts';

/** Table 0202, equipment type. */
const SYSTEM: Readonly<Record<string, string>> = codeTable({
  PH: 'phone',
  CP: 'phone',
  FX: 'fax',
  BP: 'pager',
  INTERNET: 'email',
  'X.400': 'email',
  MD: 'other',
  SAT: 'other',
  TDD: 'other',
  TTY: 'other',
});

/** Table 0201, use. */
const USE: Readonly<Record<string, string>> = codeTable({
  PRN: 'home',
  ORN: 'home',
  VHN: 'home',
  WPN: 'work',
  PRS: 'mobile',
});

const EXTENSION = 'http://hl7.org/fhir/StructureDefinition/contactpoint-';

/** XTN components of a number's parts, by the extensions that keep them. */
const NUMBER_PARTS = [
  [5, 'country'],
  [6, 'area'],
  [7, 'local'],
  [8, 'extension'],
] as const;

/** XTN; undefined without a number or address. `defaultUse` stands for an empty XTN.2. */
export function xtnContactPoint(
  context: Context,
  raw: string,
  defaultUse: string | undefined,
  location: string,
): Element | undefined {
  const parts = components(raw, context.by);
  const text = (n: number): string | undefined => textOf(context, parts[n - 1]);
  const equipment = text(3)?.toUpperCase();
  const number = phoneNumber(text);
  const mail = text(4);
  const first = text(1);
  const isMail =
    equipment === 'INTERNET' ||
    equipment === 'X.400' ||
    text(2) === 'NET' ||
    (equipment === undefined && mail !== undefined && number === undefined);
  // An Internet address without one in XTN.4 may stand in XTN.1; what has no `@` is a number all the same.
  const address = isMail ? (mail ?? (first?.includes('@') === true ? first : undefined)) : undefined;
  const value = address ?? number ?? first ?? mail;
  if (value === undefined) return undefined;
  const system =
    address !== undefined || (equipment === undefined && /^\S+@\S+$/.test(value))
      ? 'email'
      : (SYSTEM[isMail ? 'PH' : (equipment ?? '')] ?? 'phone');
  const useCode = text(2);
  const use = equipment === 'CP' ? 'mobile' : useCode === undefined || useCode === 'NET' ? defaultUse : USE[useCode];
  const rank = /^[1-9]\d{0,8}$/.exec(text(18) ?? '')?.[0];
  return compact({
    extension:
      address !== undefined || parts.length < 5
        ? undefined
        : present(NUMBER_PARTS.map(([n, name]) => extension(EXTENSION + name, 'valueString', text(n)))),
    system,
    value,
    use,
    rank: rank === undefined ? undefined : Number(rank),
    period: periodOf(context, parts[12], parts[13], location),
  });
}

/** XTN.12, the number as its sender writes it; else XTN.5 to XTN.8 composed as the guide says. */
function phoneNumber(text: (n: number) => string | undefined): string | undefined {
  const local = text(7);
  const written = text(12);
  if (written !== undefined || local === undefined) return written;
  const country = text(5);
  const area = text(6);
  const extension = text(8);
  const head = `${country === undefined ? '' : `+${country.replace(/^\+/, '')} `}${area === undefined ? '' : `${area} `}`;
  return `${head}${local}${extension === undefined ? '' : ` X${extension}`}`;
}
