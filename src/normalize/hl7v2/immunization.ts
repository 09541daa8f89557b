/**
 * ORC, RXA, RXR and their OBX to Immunization (maps ORC[Immunization], RXA[Immunization], RXR[Immunization]). What the OBX
 * mean stands in the implementation guide of the CDC (LOINC codes below), not in that of HL7.
 */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { parseDtm, toFhirDate } from '../../formats/hl7v2/dtm.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { ROUTE } from './administration-codes.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, present, type Context, type Element } from './context.ts';
import { codingsOf, codingText, conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { immunizationFacts } from './immunization-facts.ts';
import { manufacturerOf } from './medication.ts';
import { notesOf, observationChange } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { apart, orderNumbers, type OrderNumbers } from './order-numbers.ts';
import { placeOf } from './place.ts';
import { rxaAmount, rxaConcepts, rxaPeople, rxaStart, rxaStatus } from './rxa.ts';
import { codedMarks, metaOf } from './security.ts';
import { groupNumbers, type OrderFrame } from './service-request.ts';

const FUNCTION = `${V2_TABLE}0443`;
const ORIGIN = 'http://terminology.hl7.org/CodeSystem/immunization-origin';
/** Source of the record (RXA-9, CDC list NIP001): what it says of its origin. `00` is the record of who gave it. */
const ORIGINS: Readonly<Record<string, string>> = codeTable({
  '02': 'provider',
  '03': 'record',
  '04': 'recall',
  '05': 'provider',
  '06': 'record',
  '07': 'school',
  '08': 'record',
});

/** Elements that are stated together: what a correction leaves out is gone. */
const VACCINATED = [
  'lotNumber',
  'doseQuantity',
  'site',
  'route',
  'statusReason',
  'note',
  'education',
  'programEligibility',
  'fundingSource',
  'protocolApplied',
];

/** Adds the Changes of a vaccination. Throws `required-missing` without RXA-3 or RXA-5, `invalid-content` for an RXA-20 of no table. */
export function immunizationChange(
  context: Context,
  list: ChangeList,
  order: OrderGroup,
  rxa: Segment,
  frame: OrderFrame,
): void {
  const { orc } = order;
  const { by } = context;
  const numbers = orderNumbers(context, orc, undefined);
  const orderMarks = codedMarks(context, orc?.field(28) ?? '');
  const start = rxaStart(context, rxa);
  const key = apart(frame.used, keyOf(context, rxa, numbers, frame, start));
  const status = rxaStatus(context, rxa);
  const rxr = order.details.find(({ id }) => id === 'RXR');
  const facts = immunizationFacts(context, order.observations);
  const meta = metaOf(frame.marks.all, frame.marks.clinical, orderMarks);
  // The vaccination has no other place for ORC-4 (map ORC[Immunization]).
  const [placerGroup, fillerGroup] = groupNumbers(context, orc);
  const groups = present([eiIdentifier(context, placerGroup, 'PGN'), eiIdentifier(context, fillerGroup, 'FGN')]);
  const ordered = present(repetitions(orc?.field(12) ?? '', by).map((raw) => list.practitioner(context, raw)));
  const set: Element & { resourceType: string } = {
    resourceType: 'Immunization',
    ...compact({
      meta,
      status,
      statusReason: status === 'not-done' ? rxaConcepts(context, rxa, 18)[0] : undefined,
      vaccineCode: vaccineOf(context, rxa),
      patient: { reference: changeReference(frame.patient.index) },
      encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
      occurrenceDateTime: start,
      recorded: dateTimeOf(context, rxa.field(22) || (orc?.field(9) ?? ''), 'RXA-22'),
      ...originOf(context, rxa),
      location: locationOf(context, rxa),
      manufacturer: manufacturerOf(context, repetitions(rxa.field(17), by)[0] ?? ''),
      lotNumber: firstOf(context, repetitions(rxa.field(15), by)[0]),
      expirationDate: dateOf(context, repetitions(rxa.field(16), by)[0]),
      site: conceptOf(context, rxr?.field(2), `${V2_TABLE}0163`),
      route: tableConcept(context, rxr?.field(1), '0162', ROUTE),
      doseQuantity: rxaAmount(context, rxa),
      performer: [
        ...rxaPeople(context, list, rxa).map((actor) => performer('AP', 'Administering Provider', actor)),
        ...ordered.slice(0, 1).map((actor) => performer('OP', 'Ordering Provider', actor)),
      ],
      note: notesOf(context, [...order.notes, ...(order.detailNotes?.get(rxa) ?? [])], list),
      reasonCode: rxaConcepts(context, rxa, 19),
      ...facts.elements,
    }),
  };
  const index = list.add({
    type: 'Immunization',
    keys: [key],
    set,
    append: { identifier: [...numbers.all, ...groups].map(({ identifier }) => identifier) },
    whole: VACCINATED,
    clear: VACCINATED.filter((name) => set[name] === undefined),
    ...(set.vaccineCode === undefined && { onlyKnown: 'RXA-5' }),
  });
  for (const observation of facts.others) {
    observationChange(context, list, observation, {
      key: ['part-of', ...key],
      patient: frame.patient.index,
      encounter: frame.encounter,
      basedOn: undefined,
      partOf: index,
      observedAt: start,
      category: undefined,
      sourceTime: frame.sourceTime,
      marks: frame.marks,
      orderMarks,
      used: frame.used,
    });
  }
}

/**
 * ORC-3 is the number of the vaccination, the same in every update. `9999` is what the CDC guide has senders write for
 * what was not given, and names nothing: then the day and the vaccine do.
 */
function keyOf(context: Context, rxa: Segment, numbers: OrderNumbers, frame: OrderFrame, start: string): BusinessKey {
  const { filler } = numbers;
  if (filler !== undefined && filler.value !== '9999') return ['filler', filler.system, filler.value];
  const [coding] = codingsOf(context, rxa.field(5));
  return ['vaccination', ...frame.patient.keys[0], start.slice(0, 10), codingText(coding)];
}

/** RXA-5, which only a statement about a vaccination that is known may leave out: R4 wants a vaccine. */
function vaccineOf(context: Context, rxa: Segment): Element | undefined {
  return conceptOf(context, rxa.field(5));
}

function performer(code: string, display: string, actor: Element): Element {
  return { function: { coding: [{ system: FUNCTION, code, display }] }, actor };
}

/** RXA-9: `00` is a new record of who gave it, `01` to `08` a historical one. */
function originOf(context: Context, rxa: Segment): Element {
  const code = repetitions(rxa.field(9), context.by)
    .map((raw) => firstOf(context, raw))
    .find((each) => each !== undefined && /^0[0-8]$/.test(each));
  if (code === undefined) return {};
  if (code === '00') return { primarySource: true };
  const origin = ORIGINS[code];
  const text = conceptOf(context, repetitions(rxa.field(9), context.by)[0]);
  return {
    primarySource: false,
    reportOrigin: origin === undefined ? text : { ...text, coding: [{ system: ORIGIN, code: origin }] },
  };
}

/** RXA-27, else RXA-11, where LA2 puts the facility into its fourth component. */
function locationOf(context: Context, rxa: Segment): Element | undefined {
  const place = placeOf(context, rxa.field(27) || rxa.field(11));
  return place === undefined || (place.display === undefined && place.identifier === undefined) ? undefined : place;
}

function dateOf(context: Context, raw: string | undefined): string | undefined {
  const value = parseDtm(firstOf(context, raw) ?? '');
  return value === undefined ? undefined : toFhirDate(value);
}
