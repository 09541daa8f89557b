/**
 * RXG, TQ1 and RXR to MedicationRequest: the pharmacy's instruction to give a dose of a prescription. Ours: the guide has no table for it.
 */
import { changeReference } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { ChangeList } from './change-list.ts';
import { compact, firstOf, present, type Context, type Element } from './context.ts';
import { codingsOf, codingText, conceptOf } from './datatypes/codeable-concept.ts';
import { dosagesOf } from './dosage.ts';
import { productOf } from './medication.ts';
import type { CarriedOut } from './medication-dispense.ts';
import { conceptText, doseAndRate, doseText } from './medication-request.ts';
import { medicationStatus } from './medication-status.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { apart } from './order-numbers.ts';
import type { PharmacySection } from './pharmacy-sections.ts';
import { metaOf } from './security.ts';
import type { OrderFrame } from './service-request.ts';
import { tq1Timing, tqTimings } from './timing.ts';

/** Adds the Change of one instruction. Throws `required-missing` without RXG-4. */
export function giveChange(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  section: PharmacySection,
  frame: OrderFrame,
  parts: CarriedOut,
): number {
  const field = (n: number): string => section.head?.field(n) ?? '';
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const product = productOf(context, {
    code: field(4),
    form: field(8),
    strength: field(17),
    strengthUnit: field(18),
    volume: field(23),
    volumeUnit: field(24),
    lot: repetitions(field(19), context.by)[0] ?? '',
    expiration: repetitions(field(20), context.by)[0] ?? '',
    manufacturer: repetitions(field(21), context.by)[0] ?? '',
    components: section.rxc,
    location: 'RXG-4',
  });
  const timings =
    section.tq1.length > 0 ? section.tq1.map((tq1) => tq1Timing(context, tq1)) : tqTimings(context, field(3), 'RXG-3');
  const amount = [field(5), field(6), field(7)] as const;
  const given = {
    text: doseText(context, { dose: amount }),
    rxr: section.rxr[0],
    dose: doseAndRate(context, {
      dose: amount,
      rate: [field(15), field(16)],
      per: field(14),
    }),
  };
  const notes = [9, 13].flatMap((n) => repetitions(field(n), context.by).map((raw) => conceptText(context, raw)));
  const set: Element & { resourceType: string } = {
    resourceType: 'MedicationRequest',
    ...compact({
      meta,
      status: medicationStatus(context, order.orc).status ?? 'active',
      intent: 'instance-order',
      ...product,
      subject: { reference: changeReference(frame.patient.index) },
      encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
      basedOn: parts.request === undefined ? undefined : [{ reference: changeReference(parts.request) }],
      reasonCode: present(repetitions(field(22), context.by).map((raw) => conceptOf(context, raw))),
      dosageInstruction: dosagesOf(context, given, timings),
      note: [...present(notes).map((text) => ({ text })), ...(notesOf(context, section.notes, list) ?? [])],
    }),
  };
  return list.add({
    type: 'MedicationRequest',
    keys: [
      apart(frame.used, [
        'give',
        ...parts.key,
        ...[1, 2].map((n) => firstOf(context, field(n)) ?? ''),
        codingText(codingsOf(context, field(4))[0]),
      ]),
    ],
    set,
    clear: ['reasonCode', 'dosageInstruction', 'note', 'contained'].filter((name) => set[name] === undefined),
  });
}
