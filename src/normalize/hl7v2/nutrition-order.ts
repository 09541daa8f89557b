/** ODS, a diet or supplement, to NutritionOrder. Ours: the guide names the resource but has no table. */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { orderNumbers, requestKeys } from './order-numbers.ts';
import { metaOf } from './security.ts';
import type { OrderFrame } from './service-request.ts';
import { ORDER_CONTROL_STATUS, ORDER_RANK, ORDER_STATUS } from './tables.ts';

/** What the caller knows of the order. */
export interface NutritionParts {
  readonly key: BusinessKey;
  readonly orderMarks: readonly Element[];
}

/** Adds the Change of a diet order and returns its position. Its date is ORC-9, else the time of the message. */
export function nutritionOrderChange(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  frame: OrderFrame,
  parts: NutritionParts,
): number {
  const { orc } = order;
  const numbers = orderNumbers(context, orc, undefined);
  const keys = requestKeys(numbers);
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const status =
    ORDER_STATUS[firstOf(context, orc?.field(5)) ?? ''] ??
    ORDER_CONTROL_STATUS[firstOf(context, orc?.field(1)) ?? ''] ??
    'active';
  const orderer = present(repetitions(orc?.field(12) ?? '', context.by).map((raw) => list.practitioner(context, raw)));
  return list.add({
    type: 'NutritionOrder',
    keys: keys.length > 0 ? keys : [['request', ...parts.key]],
    set: {
      resourceType: 'NutritionOrder',
      ...compact({
        meta,
        status,
        intent: 'order',
        patient: { reference: changeReference(frame.patient.index) },
        encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
        dateTime: dateTimeOf(context, orc?.field(9), 'ORC-9') ?? new Date(frame.sourceTime).toISOString(),
        orderer: orderer[0],
        ...diets(context, order),
        note: notesOf(context, order.notes, list),
      }),
    },
    append: { identifier: numbers.all.map(({ identifier }) => identifier) },
    sourceTime: frame.sourceTime + (ORDER_RANK[status] ?? 0),
  });
}

/** ODS-1: D a diet, S a supplement, P a preference. */
function diets(context: Context, order: OrderGroup): Element {
  const preferences: Element[] = [];
  const diet: Element[] = [];
  const supplement: Element[] = [];
  const texts: string[] = [];
  for (const ods of order.details.filter(({ id }) => id === 'ODS')) {
    const codes = present(repetitions(ods.field(3), context.by).map((raw) => conceptOf(context, raw)));
    const instruction = present(
      repetitions(ods.field(4), context.by).map((raw) => textOf(context, components(raw, context.by)[0])),
    ).join('\n');
    const kind = firstOf(context, ods.field(1));
    if (kind === 'S') supplement.push(...codes.map((type) => compact({ type, instruction: instruction || undefined })));
    else {
      (kind === 'P' ? preferences : diet).push(...codes);
      if (instruction !== '') texts.push(instruction);
    }
  }
  const instruction = texts.length === 0 ? undefined : texts.join('\n');
  const oralDiet = compact({ type: diet, instruction });
  return {
    foodPreferenceModifier: preferences,
    oralDiet: Object.keys(oralDiet).length === 0 ? undefined : oralDiet,
    supplement,
  };
}
