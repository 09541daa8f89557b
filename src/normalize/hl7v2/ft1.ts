/** FT1 to ChargeItem. The guide has no map for it: ours. Payments, adjustments and credits are not charges. */
import { changeReference } from '../../formats/fhir/change.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import { parseNm } from '../../formats/hl7v2/numeric.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Claimed } from './claim.ts';
import { clinicalMeta, encounterOf, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, dateTimeOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';
import { notesOf } from './observation.ts';

/** Adds the ChargeItem of one FT1; `procedures`: of the PR1 below it. False for a transaction that is no charge. */
export function chargeChange(frame: ClinicalFrame, claimed: Claimed, procedures: readonly number[]): boolean {
  const { context, list } = frame;
  const { segment: ft1, number } = claimed;
  const location = `FT1[${number}]`;
  const kind = firstOf(context, ft1.field(6)) ?? 'CG';
  if (kind !== 'CG') {
    context.omissions.push({ location: `${location}-6`, reason: 'not-a-charge' });
    return false;
  }
  const code = withProcedure(
    conceptOf(context, ft1.field(7), `${V2_TABLE}0132`),
    conceptOf(context, ft1.field(25), `${V2_TABLE}0088`),
  );
  if (code === undefined) {
    context.omissions.push({ location: `${location}-7`, reason: 'no-code' });
    return false;
  }
  const identifier = eiIdentifier(context, components(ft1.field(2), context.by)[0] ?? '', '');
  const withdrawn = firstOf(context, ft1.field(34)) === 'D';
  const service = procedures.map((index) => ({ reference: changeReference(index) }));
  list.add({
    type: 'ChargeItem',
    keys: [
      identifier === undefined
        ? ['message', context.profile.name, context.controlId, 'ChargeItem', String(number)]
        : // One transaction id for all lines of a bill: the service tells them apart.
          ofPatient(
            frame,
            'charge',
            ...facilityKey(context, 'charge', identifier),
            String(firstOf(context, ft1.field(7))),
          ),
    ],
    set: {
      resourceType: 'ChargeItem',
      ...clinicalMeta(frame),
      ...compact({
        status: withdrawn ? 'entered-in-error' : 'billable',
        code,
        subject: subjectOf(frame),
        context: encounterOf(frame),
        ...occurrence(context, ft1.field(4), location),
        performer: performers(frame, ft1),
        performingOrganization: list.organization(context, repetitions(ft1.field(30), context.by)[0] ?? ''),
        costCenter: costCenter(context, ft1.field(13)),
        quantity: quantityOf(context, ft1.field(10)),
        priceOverride: moneyOf(context, ft1.field(12)) ?? moneyOf(context, ft1.field(22)),
        enterer: list.practitioner(context, repetitions(ft1.field(24), context.by)[0] ?? ''),
        enteredDate: dateTimeOf(context, ft1.field(5), `${location}-5`),
        reason: present(repetitions(ft1.field(19), context.by).map((raw) => conceptOf(context, raw))),
        service,
        productCodeableConcept: conceptOf(context, ft1.field(29)),
        account: frame.account === undefined ? undefined : [{ reference: changeReference(frame.account) }],
        note: [
          ...present([textOf(context, ft1.field(8)), textOf(context, ft1.field(9))]).map((text) => ({ text })),
          ...(notesOf(context, claimed.notes) ?? []),
        ],
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
  });
  return true;
}

/** FT1-7 of the charge master and FT1-25 of the payers are two codes for one thing. */
function withProcedure(charge: Element | undefined, procedure: Element | undefined): Element | undefined {
  if (charge === undefined || procedure === undefined) return charge ?? procedure;
  const codings = [charge, procedure].flatMap(({ coding }): Element[] => (Array.isArray(coding) ? coding : []));
  const coding = codings.filter(
    (one, i) => codings.findIndex(({ system, code }) => system === one.system && code === one.code) === i,
  );
  return { ...procedure, ...charge, ...(coding.length > 0 && { coding }) };
}

/** FT1-4 is a date, or a range of dates. */
function occurrence(context: Context, raw: string, location: string): Element {
  const [from, to] = components(raw, context.by);
  const start = dateTimeOf(context, from, `${location}-4`);
  const end = to === undefined ? undefined : dateTimeOf(context, to, `${location}-4`);
  if (start !== undefined && end !== undefined && end >= start) return { occurrencePeriod: { start, end } };
  return compact({ occurrenceDateTime: start });
}

/** FT1-20 performed it, FT1-21 ordered it. */
function performers(frame: ClinicalFrame, ft1: Segment): Element[] {
  const { context, list } = frame;
  const kinds = [
    [20, 'performed by'],
    [21, 'ordered by'],
  ] as const;
  return kinds.flatMap(([field, text]) =>
    repetitions(ft1.field(field), context.by).flatMap((raw) => {
      const actor = list.practitioner(context, raw);
      return actor === undefined ? [] : [{ function: { text }, actor }];
    }),
  );
}

function costCenter(context: Context, raw: string): Element | undefined {
  const [code, text] = components(raw, context.by).map((part) => textOf(context, part));
  const display = text ?? code;
  return display === undefined ? undefined : { display };
}

function quantityOf(context: Context, raw: string): Element | undefined {
  const text = textOf(context, raw);
  const value = text === undefined ? undefined : parseNm(text);
  return value === undefined ? undefined : { value };
}

/** CP or MO: amount and currency (ISO 4217). A currency that is none is left out. */
function moneyOf(context: Context, raw: string): Element | undefined {
  const [first = ''] = components(raw, context.by);
  const parts = subcomponents(first, context.by);
  const amount = textOf(context, parts[0]);
  const value = amount === undefined ? undefined : parseNm(amount);
  const currency = textOf(context, parts[1])?.toUpperCase();
  if (value === undefined) return undefined;
  return compact({ value, currency: currency !== undefined && /^[A-Z]{3}$/.test(currency) ? currency : undefined });
}
