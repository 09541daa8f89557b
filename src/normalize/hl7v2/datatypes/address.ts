/** XAD to Address (maps XAD[Address], SAD[Address], tables AddressType). */
import { codeTable } from '../../../core/code-table.ts';
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { compact, periodOf, present, textOf, type Context, type Element } from '../context.ts';

/** Table 0190 to Address.use. */
const ADDRESS_USE: Readonly<Record<string, string>> = codeTable({
  BA: 'old',
  BI: 'billing',
  C: 'temp',
  B: 'work',
  H: 'home',
  O: 'work',
});
/** Table 0190 to Address.type. */
const ADDRESS_TYPE: Readonly<Record<string, string>> = codeTable({ M: 'postal', SH: 'postal' });

/** XAD; undefined when it says nothing but its type. */
export function xadAddress(context: Context, raw: string, location: string): Element | undefined {
  const parts = components(raw, context.by);
  const text = (n: number): string | undefined => textOf(context, parts[n - 1]);
  const line = present([
    ...subcomponents(parts[0] ?? '', context.by)
      .slice(0, 3)
      .map((part) => textOf(context, part)),
    text(2),
    text(19),
  ]);
  const county = textOf(context, subcomponents(parts[8] ?? '', context.by)[0]);
  const place = compact({
    line,
    city: text(3),
    district: county,
    state: text(4),
    postalCode: text(5),
    country: text(6),
  });
  if (Object.keys(place).length === 0) return undefined;
  const [from, to] = subcomponents(parts[11] ?? '', context.by);
  const period = periodOf(context, parts[12], parts[13], location) ?? periodOf(context, from, to, location);
  const type = text(7) ?? '';
  return compact({ use: ADDRESS_USE[type], type: ADDRESS_TYPE[type], ...place, period });
}
