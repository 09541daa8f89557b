/** PID-15 and NK1-20 to `communication` (map PrimaryLanguage). */
import { firstOf, compact, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { LANGUAGE } from './tables.ts';

/** `communication` of one person; undefined without a language. Codes that are no BCP 47 are kept as text. */
export function languageOf(context: Context, raw: string): Element[] | undefined {
  const code = firstOf(context, raw);
  const concept = conceptOf(context, raw);
  if (code === undefined || concept === undefined) return concept === undefined ? undefined : [{ language: concept }];
  const tag = LANGUAGE[code.toUpperCase()] ?? (/^[a-z]{2}(-[A-Za-z]{2})?$/i.test(code) ? bcp47(code) : undefined);
  if (tag === undefined) return [{ language: { text: concept.text ?? displayOf(concept) ?? code } }];
  return [{ language: compact({ coding: [{ system: 'urn:ietf:bcp:47', code: tag }], text: concept.text }) }];
}

function bcp47(code: string): string {
  return code.length === 2 ? code.toLowerCase() : `${code.slice(0, 2).toLowerCase()}-${code.slice(3).toUpperCase()}`;
}

function displayOf({ coding }: Element): unknown {
  const [first]: Element[] = Array.isArray(coding) ? coding : [];
  return first?.display;
}
