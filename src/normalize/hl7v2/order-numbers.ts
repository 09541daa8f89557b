/** What an order is known by: the numbers of ORC and OBR, and the keys made of them. */
import type { BusinessKey } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { firstOf, present, type Context } from './context.ts';
import { codingsOf, codingText } from './datatypes/codeable-concept.ts';
import { cxIdentifier, eiIdentifier, type Identified } from './datatypes/identifier.ts';
import type { OrderGroup, ServiceOrder } from './order-group.ts';
import type { PatientResult } from './patient.ts';

export interface OrderNumbers {
  readonly placer: Identified | undefined;
  readonly filler: Identified | undefined;
  readonly all: readonly Identified[];
}

/** Placer and filler numbers. The guide: those of ORC, of OBR where ORC has none; both belong to the same order. */
export function orderNumbers(context: Context, orc: Segment | undefined, obr: Segment | undefined): OrderNumbers {
  const first = (raw: string | undefined): string => repetitions(raw ?? '', context.by)[0] ?? '';
  const placer =
    eiIdentifier(context, first(orc?.field(2)), 'PLAC') ?? eiIdentifier(context, first(obr?.field(2)), 'PLAC');
  // Several OBR below one ORC have numbers of their own in OBR-3.
  const filler =
    eiIdentifier(context, first(obr?.field(3)), 'FILL') ?? eiIdentifier(context, first(orc?.field(3)), 'FILL');
  return { placer, filler, all: [...present([placer, filler]), ...alternates(context, orc, obr)] };
}

/** OBR-53 and ORC-33, which repeat each other: what the placer calls it in other systems. */
function alternates(context: Context, orc: Segment | undefined, obr: Segment | undefined): Identified[] {
  const here = obr?.field(53) ?? '';
  const above = orc?.field(33) ?? '';
  if (here === '' && above === '') return [];
  const raws = new Set([...repetitions(here, context.by), ...repetitions(above, context.by)]);
  return present([...raws].map((raw) => cxIdentifier(context, raw, 'PLAC', 'OBR-53')));
}

/** Keys of the request itself, the same from whoever sends it; empty without a number. */
export function requestKeys({ placer, filler }: OrderNumbers): BusinessKey[] {
  return present([
    placer && ['placer', placer.system, placer.value],
    filler && ['filler', filler.system, filler.value],
  ]);
}

/**
 * What the report and its results are known by: filler number, else placer number, and the service, since laboratories use
 * one number for several panels. Without a number: patient, service and time of observation; without that, this message.
 */
export function reportKey(
  context: Context,
  order: ServiceOrder,
  numbers: OrderNumbers,
  patient: PatientResult,
): BusinessKey {
  const { obr } = order;
  const [coding] = codingsOf(context, obr.field(4));
  const service = codingText(coding);
  const number = numbers.filler ?? numbers.placer;
  if (number !== undefined)
    return [number === numbers.filler ? 'filler' : 'placer', number.system, number.value, service];
  const observed = firstOf(context, obr.field(7));
  if (observed !== undefined && service !== '') return ['patient', ...patient.keys[0], service, observed];
  return ['message', context.profile.name, context.controlId, String(order.number)];
}

/** What belongs to an order that is not a report: its number, else its place in the message. */
export function orderKey(context: Context, numbers: OrderNumbers, position: number): BusinessKey {
  return requestKeys(numbers)[0] ?? ['message', context.profile.name, context.controlId, String(position)];
}

/** Position of an order in its patient, from 1, for orders without a number. */
export function positionOf(orders: readonly OrderGroup[], order: OrderGroup): number {
  return orders.indexOf(order) + 1;
}

/** The key, numbered where this message has given it already: nothing else tells the two apart. */
export function apart(used: Map<string, number>, key: BusinessKey): BusinessKey {
  const name = key.join('\u0000');
  const count = (used.get(name) ?? 0) + 1;
  used.set(name, count);
  return count === 1 ? key : [...key, String(count)];
}
