/**
 * Whose child an order is: ORC-8 and OBR-29 (the parent order), OBR-26 (the parent's result that called for it). As a culture
 * and the susceptibility tests of each organism it grew.
 */
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { BusinessKey } from '../../formats/fhir/change.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { compact, present, textOf, type Context, type Element } from './context.ts';
import { codingsOf, codingText } from './datatypes/codeable-concept.ts';
import { eiIdentifier, type Identified } from './datatypes/identifier.ts';

/** References by identifier to the parent request: OBR-29, else ORC-8. Undefined without one. */
export function parentReferences(
  context: Context,
  orc: Segment | undefined,
  obr: Segment | undefined,
): Element[] | undefined {
  const numbers = parentNumbers(context, orc, obr);
  // One parent has up to two numbers; one of them names it.
  const [number] = numbers;
  return number === undefined ? undefined : [{ type: 'ServiceRequest', identifier: number.identifier }];
}

function parentNumbers(context: Context, orc: Segment | undefined, obr: Segment | undefined): Identified[] {
  const { by } = context;
  // OBR-54 names the parent order since 2.8.2, where OBR-29 is of its results.
  const raw = repetitions(obr?.field(54) || obr?.field(29) || (orc?.field(8) ?? ''), by)[0] ?? '';
  if (raw === '') return [];
  const [placer = '', filler = ''] = components(raw, by);
  // OBR-29 is an EIP; senders put the parent's filler number there as a plain EI too.
  return present([eiIdentifier(context, filler, 'FILL'), eiIdentifier(context, placer, 'PLAC')]);
}

/** Name of the parent's result: its OBX-3 and OBX-4. */
export type ResultName = string;

/** OBR-26: the parent's result that called for this order. Undefined without one. */
export function parentResult(context: Context, obr: Segment): ResultName | undefined {
  const [code = '', subId] = components(obr.field(26), context.by);
  if (code === '' || code === '""') return undefined;
  const [coding] = codingsOf(context, subcomponents(code, context.by).join(context.by.component));
  return coding === undefined ? undefined : resultName(coding, textOf(context, subId));
}

/**
 * OBR-26 as the reason of a reflex test: what was found, and the words for it (OBR-26.3). The parent's result is linked where it is
 * known; a susceptibility that comes alone still says of which organism it is. Undefined without OBR-26.
 */
export function reflexReason(context: Context, obr: Segment): Element | undefined {
  const [code = '', subId, words] = components(obr.field(26), context.by);
  const coding = codingsOf(context, subcomponents(code, context.by).join(context.by.component));
  if (coding.length === 0) return undefined;
  const about = [textOf(context, subId), textOf(context, words)].filter((text) => text !== undefined).join(': ');
  return compact({ coding, text: about === '' ? undefined : about });
}

/** A result of another message, by the key that it has there. */
export interface ResultElsewhere {
  readonly key: BusinessKey;
  readonly code: Element;
}

/**
 * The parent's result where it came in another message: its order's number (OBR-29) and service (OBR-50), its code and
 * sub-identifier (OBR-26). Undefined where one of them is not said: a number alone may stand for several panels.
 */
export function parentElsewhere(context: Context, obr: Segment): ResultElsewhere | undefined {
  const [number] = parentNumbers(context, undefined, obr);
  const service = codingText(codingsOf(context, obr.field(50))[0]);
  const [code = '', subId] = components(obr.field(26), context.by);
  const coding = codingsOf(context, subcomponents(code, context.by).join(context.by.component));
  if (number === undefined || service === '' || coding.length === 0) return undefined;
  const kind = number.type === 'FILL' ? 'filler' : 'placer';
  return {
    key: [
      'observation',
      kind,
      number.system,
      number.value,
      service,
      codingText(coding[0]),
      textOf(context, subId) ?? '',
    ],
    code: { coding },
  };
}

/** The name of a result by its first coding and sub-identifier. */
export function resultName(coding: Element, subId: string | undefined): ResultName {
  return `${codingText(coding)} ${subId ?? ''}`;
}
