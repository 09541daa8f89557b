/**
 * ORC, RXO, RXE, RXR, RXC and TQ1 to MedicationRequest (maps RXO[MedicationRequest], RXR[MedicationRequest],
 * TQ1[MedicationRequest]; RXE is ours). The encoded order (RXE) comes before the requested one (RXO), field by field.
 */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { decimalText } from '../../formats/fhir/json.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import { isAbove, parseNm } from '../../formats/hl7v2/numeric.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, present, textOf, type Context, type Element } from './context.ts';
import { codingsOf, codingText, conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { cqQuantity, quantityOf } from './datatypes/quantity.ts';
import { dosagesOf, prescribedTimings, rateOf } from './dosage.ts';
import { productCode, productOf } from './medication.ts';
import { medicationStatus, MEDICATION_COURSE } from './medication-status.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { orderNumbers, requestKeys } from './order-numbers.ts';
import { pharmacySections, sectionOf, type PharmacySection } from './pharmacy-sections.ts';
import { metaOf } from './security.ts';
import { courseOf, filledSince, groupNumbers, type OrderFrame } from './service-request.ts';
import { PRIORITY } from './tables.ts';

/** What the caller knows of the order. */
export interface MedicationParts {
  readonly key: BusinessKey;
  readonly orderMarks: readonly Element[];
  /** An order states itself; a dispense or administration only fills in what nobody has said of its order. */
  readonly stated: boolean;
  /** Code to fill in where the message repeats no RXO or RXE: RXD-2, RXA-5. */
  readonly code?: string;
  /** Number of the product below its ORC, from 0. */
  readonly product?: number;
}

/** Adds the Change of a prescription and returns its position. Throws `required-missing` without RXE-2 and RXO-1. */
export function medicationRequestChange(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  frame: OrderFrame,
  parts: MedicationParts,
): number {
  const { orc } = order;
  const sections = pharmacySections(order);
  const rxe = sectionOf(sections, 'RXE');
  const rxo = sectionOf(sections, 'RXO');
  const fields = { rxe: rxe?.head, rxo: rxo?.head };
  const numbers = orderNumbers(context, orc, undefined);
  const said = chosen(fields.rxe, 2, fields.rxo, 1);
  // A field of separators alone names no product.
  const code = conceptOf(context, said) === undefined ? (parts.code ?? said) : said;
  const known = requestKeys(numbers);
  const keys = productKeys(context, frame, known.length > 0 ? known : [['request', ...parts.key]], code, parts.product);
  const prescription = eiIdentifier(context, fields.rxe?.field(15) ?? '', '');
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const { status, rank } = medicationStatus(context, orc);
  const elements = compact({
    intent: fields.rxe === undefined && fields.rxo !== undefined ? 'original-order' : 'order',
    ...requestElements(context, list, order, frame, { rxe, rxo, sections }),
  });
  const since = filledSince(parts.stated, status, MEDICATION_COURSE);
  const isFilled = since !== undefined;
  const product = isFilled ? productCode(context, code) : statedProduct(context, { rxe, rxo });
  return list.add({
    type: 'MedicationRequest',
    keys,
    set: {
      resourceType: 'MedicationRequest',
      ...(meta && { meta }),
      subject: { reference: changeReference(frame.patient.index) },
      ...(!isFilled && { ...elements, ...product }),
      ...(parts.stated && status !== undefined && { status }),
    },
    // A product that was contained before and is a code now must not stay behind.
    ...(!isFilled && product.contained === undefined && { clear: ['contained'] }),
    ...courseOf(parts.stated ? status : undefined, MEDICATION_COURSE),
    append: { identifier: [...numbers.all, ...present([prescription])].map(({ identifier }) => identifier) },
    initial: isFilled ? { status: status ?? 'active', ...elements, ...product } : { status: 'active' },
    sourceTime: since ?? frame.sourceTime + rank,
  });
}

interface Heads {
  readonly rxe: PharmacySection | undefined;
  readonly rxo: PharmacySection | undefined;
}

/** The field of RXE, else that of RXO. */
function chosen(rxe: Segment | undefined, field: number, rxo: Segment | undefined, other: number): string {
  return rxe?.field(field) || (rxo?.field(other) ?? '');
}

function statedProduct(context: Context, { rxe, rxo }: Heads): Element {
  const pick = (field: number, other: number): string => chosen(rxe?.head, field, rxo?.head, other);
  return productOf(context, {
    code: pick(2, 1),
    form: pick(6, 5),
    strength: pick(25, 18),
    strengthUnit: pick(26, 19),
    volume: pick(33, 25),
    volumeUnit: pick(34, 26),
    components: (rxe?.rxc.length ?? 0) > 0 ? rxe?.rxc : rxo?.rxc,
    location: rxe === undefined ? 'RXO-1' : 'RXE-2',
  });
}

function requestElements(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  frame: OrderFrame,
  { rxe, rxo, sections }: Heads & { readonly sections: readonly PharmacySection[] },
): Element {
  const { orc } = order;
  const { by } = context;
  const pick = (field: number, other: number): string => chosen(rxe?.head, field, rxo?.head, other);
  const timings = prescribedTimings(context, order, [rxe?.tq1 ?? [], sections[0].tq1], rxe?.head);
  const people = repetitions(orc?.field(12) || pick(13, 14), by).map((raw) => list.practitioner(context, raw));
  const amount: GivenFields['dose'] = [pick(3, 2), pick(4, 3), pick(5, 4)];
  const words = repetitions(pick(7, 7), by).map((raw) => conceptText(context, raw));
  const text = present([...words, doseText(context, { dose: amount })]).join('\n');
  const daily = cqQuantity(context, pick(19, 23));
  const given = {
    text: text === '' ? undefined : text,
    rxr: rxe?.rxr[0] ?? rxo?.rxr[0],
    dose: doseAndRate(context, {
      dose: amount,
      rate: [pick(23, 21), pick(24, 22)],
      per: pick(22, 17),
    }),
    maxDosePerPeriod:
      daily === undefined
        ? undefined
        : { numerator: daily, denominator: { value: 1, unit: 'day', system: 'http://unitsofmeasure.org', code: 'd' } },
  };
  const pharmacy = conceptText(context, pick(40, 32));
  const repeats = /^\d{1,6}$/.exec(textOf(context, pick(12, 13)) ?? '')?.[0];
  const dispenseRequest = compact({
    quantity: quantityOf(context, pick(10, 11), pick(11, 12)),
    numberOfRepeatsAllowed: repeats === undefined ? undefined : Number(repeats),
    performer: pharmacy === undefined ? undefined : { display: pharmacy },
  });
  const substitution = conceptOf(context, pick(9, 9), `${V2_TABLE}0161`);
  const special = present(
    [...repetitions(rxe?.head?.field(21) ?? '', by), ...repetitions(rxo?.head?.field(6) ?? '', by)].map((raw) =>
      conceptText(context, raw),
    ),
  );
  return {
    priority: PRIORITY[timings[0]?.priority ?? ''],
    encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
    authoredOn: dateTimeOf(context, orc?.field(9), 'ORC-9'),
    requester: present(people)[0],
    groupIdentifier: eiIdentifier(context, groupNumbers(context, orc)[0], 'PGN')?.identifier,
    statusReason: conceptOf(context, orc?.field(16)),
    reasonCode: present(repetitions(pick(27, 20), by).map((raw) => conceptOf(context, raw))),
    dosageInstruction: dosagesOf(context, given, timings),
    dispenseRequest: Object.keys(dispenseRequest).length === 0 ? undefined : dispenseRequest,
    substitution: substitution === undefined ? undefined : { allowedCodeableConcept: substitution },
    note: [...special.map((line) => ({ text: line })), ...(notesOf(context, order.notes, list) ?? [])],
  };
}

/** Raw fields of how much is given: least, most and unit; rate and unit; the time that the amount is for (`H1`). */
export interface GivenFields {
  readonly dose: readonly [low: string, high: string, unit: string];
  readonly rate: readonly [amount: string, unit: string];
  readonly per: string;
}

/** Members of doseAndRate. An amount per time is a rate, and no dose, where no rate is stated beside it. */
export function doseAndRate(context: Context, { dose: [low, high, unit], rate, per }: GivenFields): Element {
  const stated = rateOf(context, rate[0], rate[1], per);
  if (Object.keys(stated).length === 0 && high === '') {
    const given = rateOf(context, low, unit, per);
    if (given.rateRatio !== undefined) return given;
  }
  return { ...doseOf(context, low, high, unit), ...stated };
}

/** True where the least of a dose is above its most: R4 has no such Range (rule rng-2), and nobody knows which of the two was meant. */
function isReversed(context: Context, low: string, high: string): boolean {
  const most = parseNm(textOf(context, high) ?? '');
  return most !== undefined && Number(decimalText(most)) !== 0 && isAbove(parseNm(textOf(context, low) ?? ''), most);
}

/** A dose that is no Range, in words, for Dosage.text: `10 - 5 mg`. Undefined for any other. */
export function doseText(context: Context, { dose: [low, high, unit] }: Pick<GivenFields, 'dose'>): string | undefined {
  if (!isReversed(context, low, high)) return undefined;
  return `${textOf(context, low)} - ${textOf(context, high)} ${conceptText(context, unit) ?? ''}`.trim();
}

/** One amount is a quantity, two are a range. A most of nothing (`0`) is how some senders leave it out. */
function doseOf(context: Context, low: string, high: string, unit: string): Element {
  const from = quantityOf(context, low, unit);
  if (isReversed(context, low, high)) return {};
  const to = /^[0.]+$/.test(high.trim()) && from !== undefined ? undefined : quantityOf(context, high, unit);
  if (from === undefined || to === undefined) return { doseQuantity: from ?? to };
  return { doseRange: { low: from, high: to } };
}

/** The words of a coded value: its text, display or code. */
export function conceptText(context: Context, raw: string): string | undefined {
  if (raw === '' || raw === '""') return undefined;
  const parts = components(raw, context.by);
  return textOf(context, parts[8]) ?? textOf(context, parts[1]) ?? textOf(context, parts[0]);
}

/** One number for two products in one message: the product tells them apart, and its place below its ORC where it is the same. */
function productKeys(
  context: Context,
  frame: OrderFrame,
  keys: readonly BusinessKey[],
  raw: string,
  product = 0,
): BusinessKey[] {
  const code = codingText(codingsOf(context, raw)[0]);
  const name = `MedicationRequest ${keys[0].join(' ')}`;
  const first = frame.firsts.get(name) ?? code;
  frame.firsts.set(name, first);
  if (first !== code) return [[...keys[0], code]];
  return product === 0 ? [...keys] : [[...keys[0], code, String(product)]];
}
