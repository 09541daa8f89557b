/**
 * ORM_O01, OML_O21, OML_O33, OML_O35, OMG_O19, OMI_O23 and OMP_O09, orders: each ORC is a ServiceRequest, MedicationRequest or
 * NutritionOrder with what supports it. Earlier results that are sent with an order are results.
 */
import { changeReference } from '../../formats/fhir/change.ts';
import { GatewayError } from '../../core/errors.ts';
import { firstOf, type Element } from './context.ts';
import type { OrderStart } from './group.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { medicationRequestChange } from './medication-request.ts';
import { nutritionOrderChange } from './nutrition-order.ts';
import { observationChange } from './observation.ts';
import { orderChanges, specimensOf, type ReportFrame } from './order.ts';
import { isServiceOrder, type OrderGroup } from './order-group.ts';
import { orderMessage, orderReasons } from './order-message.ts';
import { orderKey, orderNumbers } from './order-numbers.ts';
import { productOrders } from './pharmacy-sections.ts';
import { codedMarks } from './security.ts';
import { requestChange } from './service-request.ts';
import type { Conversion, Structure } from './structure.ts';

/** The structure of order messages; OML_O33 and O35 send the specimen before its orders. */
export function orders(start: OrderStart = 'ORC'): Structure {
  return (conversion) => {
    for (const patient of orderMessage(conversion, start)) {
      const frame: ReportFrame = { ...patient.frame, results: new Map() };
      patient.group.orders.forEach((order, i) => {
        if (isServiceOrder(order) && (patient.prior || order.prior))
          orderChanges(conversion.context, conversion.list, order, frame);
        else orderChange(conversion, order, frame, i + 1, orderReasons(patient, order));
      });
    }
  };
}

/** Adds the Changes of one order. Throws `required-missing` for a new one without OBR-4. `position`: from 1, for an order without a number. */
export function orderChange(
  conversion: Conversion,
  order: OrderGroup,
  frame: ReportFrame,
  position: number,
  reasons: readonly Element[],
): void {
  const { context, list } = conversion;
  const { orc, obr } = order;
  const numbers = orderNumbers(context, orc, obr);
  const key = orderKey(context, numbers, position);
  const orderMarks = codedMarks(context, orc?.field(28) ?? '');
  const code = conceptOf(context, obr?.field(4));
  const isNew = ['NW', 'RO', 'PR'].includes(firstOf(context, orc?.field(1)) ?? 'NW');
  if (obr !== undefined && code === undefined && isNew)
    throw new GatewayError('required-missing', 'OBR-4, the service, is required', {
      expression: `OBR[${order.number}]-4`,
    });
  const has = (id: string): boolean => order.details.some((segment) => segment.id === id);
  if (has('RXO') || has('RXE')) {
    const supporting = supportingObservations(conversion, order, frame, { key, orderMarks, specimens: [] });
    for (const [i, product] of productOrders(order).entries()) {
      const parts = { key, orderMarks, stated: true, product: i };
      const request = medicationRequestChange(context, list, product, frame, parts);
      list.appendTo(request, 'reasonReference', reasons);
      list.appendTo(request, 'supportingInformation', supporting);
    }
    return;
  }
  if (has('ODS')) {
    nutritionOrderChange(context, list, order, frame, { key, orderMarks });
    supportingObservations(conversion, order, frame, { key, orderMarks, specimens: [] });
    return;
  }
  const request = requestChange(context, list, order, frame, {
    numbers,
    code: code ?? supplyOf(conversion, order),
    done: undefined,
    key,
    orderMarks,
    stated: true,
  });
  const specimens = isServiceOrder(order)
    ? specimensOf(context, list, order, { ...frame, patient: frame.patient.index, request, key, orderMarks })
    : [];
  const specimen = specimens.map((index) => ({ reference: changeReference(index) }));
  list.appendTo(request, 'specimen', specimen);
  list.appendTo(request, 'reasonReference', reasons);
  const supporting = supportingObservations(conversion, order, frame, { key, orderMarks, specimens });
  list.appendTo(request, 'supportingInfo', supporting);
}

/** RQD-3, else RQD-4 and RQD-2: what is requested of the stores. */
function supplyOf({ context }: Conversion, { details }: OrderGroup): ReturnType<typeof conceptOf> {
  const rqd = details.find(({ id }) => id === 'RQD');
  return conceptOf(context, rqd?.field(3)) ?? conceptOf(context, rqd?.field(4)) ?? conceptOf(context, rqd?.field(2));
}

interface Supported {
  readonly key: ReturnType<typeof orderKey>;
  readonly orderMarks: ReturnType<typeof codedMarks>;
  readonly specimens: readonly number[];
}

/** OBX of an order: what whoever carries it out should know. References to them. */
function supportingObservations(
  conversion: Conversion,
  order: OrderGroup,
  frame: ReportFrame,
  { key, orderMarks, specimens }: Supported,
): { reference: string }[] {
  const { context, list } = conversion;
  return order.observations.flatMap((observation) => {
    const at = order.specimens.findIndex((specimen) => specimen === observation.specimen);
    const index = observationChange(context, list, observation, {
      key: ['supporting', ...key],
      patient: frame.patient.index,
      encounter: frame.encounter,
      basedOn: undefined,
      specimen: at < 0 ? undefined : specimens[at],
      observedAt: undefined,
      category: undefined,
      sourceTime: frame.sourceTime,
      marks: frame.marks,
      orderMarks,
      used: frame.used,
    });
    return index === undefined ? [] : [{ reference: changeReference(index) }];
  });
}
