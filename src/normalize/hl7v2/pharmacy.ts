/** RDE_O11 and RDE_O25, encoded pharmacy orders; RDS_O13, dispenses; RGV_O15, instructions to give; RAS_O17, administrations; and O01, by which versions before 2.4 call all of them. */
import { GatewayError } from '../../core/errors.ts';
import { firstOf, type Context } from './context.ts';
import { administrationChange } from './medication-administration.ts';
import { dispenseChange } from './medication-dispense.ts';
import { giveChange } from './medication-give.ts';
import { medicationRequestChange } from './medication-request.ts';
import { observationChange } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { orderMessage } from './order-message.ts';
import { orderKey, orderNumbers } from './order-numbers.ts';
import { pharmacySections, productOrders } from './pharmacy-sections.ts';
import { codedMarks } from './security.ts';
import type { OrderFrame } from './service-request.ts';
import type { Conversion, Structure } from './structure.ts';

/** The segment that a message is about. */
type Subject = 'RXE' | 'RXD' | 'RXG' | 'RXA';

/** The field of the product, where the prescription may have to be named by it. */
const PRODUCT: Readonly<Record<Subject, number>> = { RXE: 2, RXD: 2, RXG: 4, RXA: 5 };

/** The structure of a pharmacy message. Throws `required-missing` where an order lacks the segment that it is about. */
export function pharmacy(subject: Subject): Structure {
  return (conversion) => {
    for (const patient of orderMessage(conversion)) {
      if (patient.group.orders.length === 0)
        throw new GatewayError('required-missing', 'the message has no ORC segment', { expression: 'ORC' });
      patient.group.orders.forEach((group, i) => {
        const products = subject === 'RXE' ? productOrders(group) : [group];
        products.forEach((order, at) => {
          // Its results are of the order as a whole: of the first product.
          const one = at === 0 ? order : { ...order, observations: [] };
          orderChange(conversion, one, patient.frame, subject, { position: i + 1, product: at });
        });
      });
    }
  };
}

function orderChange(
  conversion: Conversion,
  order: OrderGroup,
  frame: OrderFrame,
  subject: Subject,
  { position, product }: { readonly position: number; readonly product: number },
): void {
  const { context, list } = conversion;
  const heads = pharmacySections(order).filter(({ head }) => head?.id === subject);
  if (heads.length === 0)
    throw new GatewayError('required-missing', `the order has no ${subject} segment`, { expression: subject });
  const numbers = orderNumbers(context, order.orc, order.obr);
  // Without an order what was given is known by the patient, its time and product.
  const isOrdered = order.orc !== undefined;
  const key = isOrdered ? orderKey(context, numbers, position) : ['unordered', ...frame.patient.keys[0]];
  const orderMarks = codedMarks(context, order.orc?.field(28) ?? '');
  const parts = { key, orderMarks, stated: subject === 'RXE', product };
  const code = subject === 'RXE' ? '' : (heads[0].head?.field(PRODUCT[subject]) ?? '');
  const request = isOrdered ? medicationRequestChange(context, list, order, frame, { ...parts, code }) : undefined;
  let made: number | undefined;
  for (const section of heads) {
    if (subject === 'RXD')
      dispenseChange(context, list, section, frame, {
        ...parts,
        request,
        numbers,
        isCancelled: isCancelled(context, order),
      });
    if (subject === 'RXG') giveChange(context, list, order, section, frame, { ...parts, request, numbers });
    if (subject === 'RXA')
      made = administrationChange(context, list, order, section, frame, { ...parts, request, numbers });
  }
  for (const observation of order.observations) {
    observationChange(context, list, observation, {
      key: ['supporting', ...key],
      patient: frame.patient.index,
      encounter: frame.encounter,
      basedOn: request,
      partOf: made,
      observedAt: undefined,
      category: undefined,
      sourceTime: frame.sourceTime,
      marks: frame.marks,
      orderMarks,
      used: frame.used,
    });
  }
}

/** ORC-5, else ORC-1, takes back what was to be handed over. */
function isCancelled(context: Context, { orc }: OrderGroup): boolean {
  const status = firstOf(context, orc?.field(5));
  return status === undefined ? ['CA', 'CR', 'OC'].includes(firstOf(context, orc?.field(1)) ?? '') : status === 'CA';
}
