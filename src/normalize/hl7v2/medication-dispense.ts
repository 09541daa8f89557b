/** RXD, RXR and RXC to MedicationDispense. Ours: the guide has no table for it. */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, present, type Context, type Element } from './context.ts';
import { codingsOf, codingText, conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { cqQuantity, quantityOf } from './datatypes/quantity.ts';
import { dosagesOf } from './dosage.ts';
import { productOf } from './medication.ts';
import { conceptText } from './medication-request.ts';
import { notesOf } from './observation.ts';
import { apart, type OrderNumbers } from './order-numbers.ts';
import type { PharmacySection } from './pharmacy-sections.ts';
import { metaOf } from './security.ts';
import type { OrderFrame } from './service-request.ts';
import { tq1Timing } from './timing.ts';

/** The order that was carried out. */
export interface CarriedOut {
  readonly key: BusinessKey;
  readonly orderMarks: readonly Element[];
  readonly numbers: OrderNumbers;
  /** Position of the MedicationRequest; undefined where the message names no order. */
  readonly request: number | undefined;
}

/** Table 0167: whether another product was given than the one prescribed. */
const SUBSTITUTED: Readonly<Record<string, boolean>> = codeTable({ N: false, G: true, T: true, '0': false });

/** Elements that are stated together: what a correction leaves out is gone. */
const DISPENSED = ['performer', 'quantity', 'dosageInstruction', 'substitution', 'note', 'contained'];

/** Adds the Change of a dispense and returns its position. Throws `required-missing` without RXD-2. */
export function dispenseChange(
  context: Context,
  list: ChangeList,
  section: PharmacySection,
  frame: OrderFrame,
  parts: CarriedOut & { readonly isCancelled: boolean },
): number {
  const rxd = section.head;
  const field = (n: number): string => rxd?.field(n) ?? '';
  const { by } = context;
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const prescription = eiIdentifier(context, field(7), '');
  const product = productOf(context, {
    code: field(2),
    form: field(6),
    strength: field(16),
    strengthUnit: field(17),
    lot: repetitions(field(18), by)[0] ?? '',
    expiration: repetitions(field(19), by)[0] ?? '',
    manufacturer: repetitions(field(20), by)[0] ?? '',
    components: section.rxc,
    location: 'RXD-2',
  });
  const people = present(repetitions(field(10), by).map((raw) => list.practitioner(context, raw)));
  const daily = cqQuantity(context, field(12));
  const given = {
    rxr: section.rxr[0],
    maxDosePerPeriod:
      daily === undefined
        ? undefined
        : { numerator: daily, denominator: { value: 1, unit: 'day', system: 'http://unitsofmeasure.org', code: 'd' } },
  };
  const timings = section.tq1.map((tq1) => tq1Timing(context, tq1));
  const substituted = SUBSTITUTED[firstOf(context, field(11)) ?? ''];
  const notes = [...repetitions(field(9), by), ...repetitions(field(15), by)].map((raw) => conceptText(context, raw));
  const set: Element & { resourceType: string } = {
    resourceType: 'MedicationDispense',
    ...compact({
      meta,
      status: parts.isCancelled ? 'cancelled' : 'completed',
      subject: { reference: changeReference(frame.patient.index) },
      context: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
      authorizingPrescription:
        parts.request === undefined ? undefined : [{ reference: changeReference(parts.request) }],
      ...product,
      type: conceptOf(context, field(33), `${V2_TABLE}0484`),
      quantity: quantityOf(context, field(4), field(5)),
      whenHandedOver: dateTimeOf(context, field(3), 'RXD-3'),
      performer: people.map((actor) => ({ actor })),
      dosageInstruction: dosagesOf(context, given, timings),
      substitution:
        substituted === undefined
          ? undefined
          : { wasSubstituted: substituted, type: conceptOf(context, field(11), `${V2_TABLE}0167`) },
      note: [...present(notes).map((text) => ({ text })), ...(notesOf(context, section.notes, list) ?? [])],
    }),
  };
  return list.add({
    type: 'MedicationDispense',
    // RXD-1 counts the dispenses of an order; many senders leave it at 1, so day and product count too.
    keys: [
      apart(frame.used, [
        'dispense',
        ...parts.key,
        ...[1, 3, 7].map((n) => firstOf(context, field(n)) ?? ''),
        codingText(codingsOf(context, field(2))[0]),
      ]),
    ],
    set,
    append: { identifier: present([prescription]).map(({ identifier }) => identifier) },
    whole: DISPENSED,
    clear: DISPENSED.filter((name) => set[name] === undefined),
  });
}
