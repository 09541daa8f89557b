/** What RXA says wherever it comes: when, how much, by whom, and whether it was done (maps RXA[Immunization]). */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { dateTimeOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { quantityOf } from './datatypes/quantity.ts';

/** Table 0322, completion status. `PA` is completed for a vaccine: there is no part of a status. */
const COMPLETION: Readonly<Record<string, string>> = codeTable({
  CP: 'completed',
  PA: 'completed',
  RE: 'not-done',
  NA: 'not-done',
});

/** RXA-21 `D` withdraws; RXA-20 otherwise; empty is completed. Throws `invalid-content` for a code of no table. */
export function rxaStatus(context: Context, rxa: Segment): string {
  if (firstOf(context, rxa.field(21)) === 'D') return 'entered-in-error';
  const code = firstOf(context, rxa.field(20));
  if (code === undefined) return 'completed';
  const status = COMPLETION[code];
  if (status === undefined)
    throw new GatewayError('invalid-content', 'RXA-20 is not a code of HL7 table 0322', { expression: 'RXA-20' });
  return status;
}

/** RXA-3 as dateTime. Throws `required-missing`. */
export function rxaStart(context: Context, rxa: Segment): string {
  const start = dateTimeOf(context, rxa.field(3), 'RXA-3');
  if (start === undefined)
    throw new GatewayError('required-missing', 'RXA-3, when it was given, is required', { expression: 'RXA-3' });
  return start;
}

/** RXA-6 and RXA-7; `999` says that the amount is not known. */
export function rxaAmount(context: Context, rxa: Segment): Element | undefined {
  return textOf(context, rxa.field(6)) === '999' ? undefined : quantityOf(context, rxa.field(6), rxa.field(7));
}

/** RXA-10, who gave it. */
export function rxaPeople(context: Context, list: ChangeList, rxa: Segment): Element[] {
  return present(repetitions(rxa.field(10), context.by).map((raw) => list.practitioner(context, raw)));
}

/** Concepts of a repeating coded field. */
export function rxaConcepts(context: Context, rxa: Segment, field: number): Element[] {
  return present(repetitions(rxa.field(field), context.by).map((raw) => conceptOf(context, raw)));
}
