/** RXA and RXR to MedicationAdministration (map ORC[MedicationAdministration]; RXA is ours, after RXA[Immunization]). */
import { changeReference } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, periodOf, present, type Context, type Element } from './context.ts';
import { codingsOf, codingText } from './datatypes/codeable-concept.ts';
import { rateOf, routeOf } from './dosage.ts';
import { productOf } from './medication.ts';
import type { CarriedOut } from './medication-dispense.ts';
import { conceptText } from './medication-request.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { apart } from './order-numbers.ts';
import { pharmacySections, type PharmacySection } from './pharmacy-sections.ts';
import { rxaAmount, rxaConcepts, rxaPeople, rxaStart, rxaStatus } from './rxa.ts';
import { metaOf } from './security.ts';
import type { OrderFrame } from './service-request.ts';

/** Elements that are stated together: what a correction leaves out is gone. */
const GIVEN = ['performer', 'statusReason', 'reasonCode', 'note', 'dosage', 'contained'];

/**
 * Adds the Change of an administration and returns its position. Throws `required-missing` without RXA-3 or RXA-5,
 * `invalid-content` for an RXA-20 of no table.
 */
export function administrationChange(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  section: PharmacySection,
  frame: OrderFrame,
  parts: CarriedOut,
): number | undefined {
  const rxa = section.head;
  if (rxa === undefined) return undefined;
  const start = rxaStart(context, rxa);
  const [coding] = codingsOf(context, rxa.field(5));
  const status = rxaStatus(context, rxa);
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const reason = rxaConcepts(context, rxa, 18);
  const dose = rxaAmount(context, rxa);
  // RXA-12: the amount is for so much time, a rate.
  const { rateRatio } = dose === undefined ? {} : rateOf(context, rxa.field(6), rxa.field(7), rxa.field(12));
  const amount = rateRatio === undefined ? { dose } : { rateRatio };
  // R4 rule mad-1: a dosage has a dose or a rate.
  const dosage =
    dose === undefined ? undefined : compact({ ...routeOf(context, routeSegment(order, section)), ...amount });
  const notes = present(repetitions(rxa.field(9), context.by).map((raw) => conceptText(context, raw)));
  const set: Element & { resourceType: string } = {
    resourceType: 'MedicationAdministration',
    ...compact({
      meta,
      status,
      statusReason: status === 'not-done' ? reason : [],
      ...productOf(context, {
        code: rxa.field(5),
        form: rxa.field(8),
        strength: rxa.field(13),
        strengthUnit: rxa.field(14),
        lot: repetitions(rxa.field(15), context.by)[0] ?? '',
        expiration: repetitions(rxa.field(16), context.by)[0] ?? '',
        manufacturer: repetitions(rxa.field(17), context.by)[0] ?? '',
        location: 'RXA-5',
      }),
      subject: { reference: changeReference(frame.patient.index) },
      context: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
      ...effective(context, rxa.field(3), rxa.field(4), start),
      performer: rxaPeople(context, list, rxa).map((actor) => ({ actor })),
      reasonCode: rxaConcepts(context, rxa, 19),
      request: parts.request === undefined ? undefined : { reference: changeReference(parts.request) },
      note: [...notes.map((text) => ({ text })), ...(notesOf(context, section.notes, list) ?? [])],
      dosage,
    }),
  };
  return list.add({
    type: 'MedicationAdministration',
    // Many senders leave RXA-2 at 1: without time and code two doses would be one.
    keys: [
      apart(frame.used, [
        'administration',
        ...parts.key,
        firstOf(context, rxa.field(2)) ?? '',
        start,
        codingText(coding),
      ]),
    ],
    set,
    append: { identifier: parts.numbers.all.map(({ identifier }) => identifier) },
    whole: GIVEN,
    clear: GIVEN.filter((name) => set[name] === undefined),
  });
}

type Route = PharmacySection['rxr'][number];

/** The last route of an order, by the order: one of thousands of RXA asks for it as often. */
const lastRoutes = new WeakMap<OrderGroup, { readonly rxr: Route | undefined }>();

/** One RXR behind several RXA is the route of all of them. */
function routeSegment(order: OrderGroup, section: PharmacySection): Route | undefined {
  if (section.rxr.length > 0) return section.rxr[0];
  let last = lastRoutes.get(order);
  if (last === undefined) {
    last = { rxr: pharmacySections(order).findLast(({ rxr }) => rxr.length > 0)?.rxr[0] };
    lastRoutes.set(order, last);
  }
  return last.rxr;
}

function effective(context: Context, from: string, to: string, start: string): Element {
  const end = dateTimeOf(context, to, 'RXA-4');
  const period = end === undefined || end === start ? undefined : periodOf(context, from, to, 'RXA-4');
  return period === undefined ? { effectiveDateTime: start } : { effectivePeriod: period };
}
