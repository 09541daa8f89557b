/** VXU_V04, vaccinations: ORC, RXA, RXR and OBX to Immunization, the patient's own OBX to Observations. */
import { GatewayError } from '../../core/errors.ts';
import { immunizationChange } from './immunization.ts';
import { orderMessage } from './order-message.ts';
import type { Conversion } from './structure.ts';

/** Throws `required-missing` without PID, or for an order without RXA or RXA-3. */
export function vxuV04(conversion: Conversion): void {
  const { context, list } = conversion;
  for (const { group, frame } of orderMessage(conversion)) {
    for (const order of group.orders) {
      const rxa = order.details.find(({ id }) => id === 'RXA');
      if (rxa === undefined)
        throw new GatewayError('required-missing', 'the order has no RXA segment', { expression: 'RXA' });
      immunizationChange(context, list, order, rxa, frame);
    }
  }
}
