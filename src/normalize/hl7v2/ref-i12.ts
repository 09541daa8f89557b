/** REF_I12, referrals: RF1 and PRD to ServiceRequest. The guide has no map for it: ours. */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { claimedOf, type Claimed, type ClaimRule } from './claim.ts';
import { clinicalMeta, encounterOf, subjectOf, type ClinicalFrame } from './clinical.ts';
import {
  codeOf,
  compact,
  dateTimeOf,
  firstOf,
  periodOf,
  present,
  textOf,
  type Context,
  type Element,
} from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { nameText, xpnName } from './datatypes/human-name.ts';
import { eiIdentifier, identified } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';
import { notesOf } from './observation.ts';
import { ordersAndResults } from './orders-and-results.ts';
import { PATIENT_SEGMENTS, patientSegments, type PatientSegments } from './patient-segments.ts';
import { repeatedPatient } from './repeated-patient.ts';
import type { Structure } from './structure.ts';
import { PRIORITY } from './tables.ts';

const RULES: Readonly<Record<string, ClaimRule>> = codeTable({ ...PATIENT_SEGMENTS, RF1: { notes: true }, PRD: {} });
const REFERRAL: Element = {
  coding: [{ system: 'http://snomed.info/sct', code: '3457005', display: 'Patient referral' }],
};

/** Table 0283. A referral that waits for an answer is out all the same. */
const REFERRAL_STATUS: Readonly<Record<string, string>> = codeTable({
  A: 'active',
  E: 'revoked',
  P: 'active',
  R: 'revoked',
});

/** The structure of an event: I12 and I15 to I13 state, I14 takes back. Throws `required-missing` without PID or RF1. */
export function ref(event: string): Structure {
  return (conversion) => {
    const { group, claims, frame, orders } = repeatedPatient(conversion, RULES);
    const beside = patientSegments(frame, group, claims, conversion.unmapped);
    referralChange(frame, claimedOf(claims, 'RF1')[0], claimedOf(claims, 'PRD'), beside, event);
    ordersAndResults(conversion, group, orders);
  };
}

function referralChange(
  frame: ClinicalFrame,
  head: Claimed | undefined,
  providers: readonly Claimed[],
  beside: PatientSegments,
  event: string,
): void {
  const { context, list } = frame;
  if (head === undefined)
    throw new GatewayError('required-missing', 'the message has no RF1 segment', { expression: 'RF1' });
  const rf1 = head.segment;
  const own = eiIdentifier(context, rf1.field(6), 'PLAC');
  const others = repetitions(rf1.field(11), context.by).map((raw) => eiIdentifier(context, raw, 'FILL'));
  const status = event === 'I14' ? 'revoked' : REFERRAL_STATUS[firstOf(context, rf1.field(1)) ?? ''];
  const kind = conceptOf(context, rf1.field(3), `${V2_TABLE}0281`);
  const dispositions = repetitions(rf1.field(4), context.by).map((raw) => conceptOf(context, raw, `${V2_TABLE}0282`));
  const [requester] = providersOf(frame, providers, 'RP');
  list.add({
    type: 'ServiceRequest',
    keys: keysOf(context, own, others[0]),
    set: {
      resourceType: 'ServiceRequest',
      ...clinicalMeta(frame),
      ...compact({
        status,
        intent: 'order',
        category: present([
          REFERRAL,
          conceptOf(context, rf1.field(5), `${V2_TABLE}0284`),
          // R4 rule prr-1: details are details of a code.
          ...(kind === undefined ? dispositions : []),
        ]),
        priority: PRIORITY[firstOf(context, rf1.field(2)) ?? ''],
        code: kind,
        orderDetail: kind === undefined ? undefined : present(dispositions),
        subject: subjectOf(frame),
        encounter: encounterOf(frame),
        occurrencePeriod: periodOf(context, rf1.field(7), rf1.field(8), 'RF1-7'),
        authoredOn: dateTimeOf(context, rf1.field(9), 'RF1-9'),
        requester,
        performer: providersOf(frame, providers, 'RT'),
        reasonCode: present([
          ...repetitions(rf1.field(10), context.by).map((raw) => conceptOf(context, raw, `${V2_TABLE}0336`)),
          reasonText(context, rf1),
        ]),
        reasonReference: beside.conditions.map((index) => ({ reference: changeReference(index) })),
        insurance: beside.coverages.map((index) => ({ reference: changeReference(index) })),
        note: notesOf(context, head.notes),
      }),
    },
    keepIf: { status: ['completed', 'entered-in-error'] },
    append: { identifier: present([own, ...others]).map(({ identifier }) => identifier) },
    initial: { status: 'active' },
  });
}

/** RF1-6 of who refers, RF1-11 of who is asked. */
function keysOf(
  context: Context,
  own: ReturnType<typeof eiIdentifier>,
  other: ReturnType<typeof eiIdentifier>,
): BusinessKey[] {
  if (own !== undefined) return [facilityKey(context, 'referral', own)];
  if (other !== undefined) return [facilityKey(context, 'referral-external', other)];
  return [['message', context.profile.name, context.controlId, 'ServiceRequest']];
}

/** RF1-24. */
function reasonText(context: Context, rf1: Segment): Element | undefined {
  const text = textOf(context, rf1.field(24));
  return text === undefined ? undefined : { text };
}

/** Providers of a role (table 0286): the person by the number of PRD-7, else by name; then their organisation (PRD-10). */
function providersOf(frame: ClinicalFrame, providers: readonly Claimed[], role: string): Element[] {
  const { context, list } = frame;
  return providers.flatMap(({ segment: prd }) => {
    if (!repetitions(prd.field(1), context.by).some((raw) => firstOf(context, raw) === role)) return [];
    const name = xpnName(context, repetitions(prd.field(2), context.by)[0] ?? '', 'PRD-2');
    const display = nameText(name);
    const raw = repetitions(prd.field(7), context.by)[0] ?? '';
    const [number, type] = components(raw, context.by);
    const value = textOf(context, number);
    const person =
      value === undefined
        ? compact({ display })
        : list.entry(
            'Practitioner',
            `PLN ${raw}`,
            identified(context, value, {}, codeOf(context, type) ?? 'PRN', undefined),
            display,
            { name: name === undefined ? undefined : [name], ...contactOf(context, prd) },
          );
    const organization = list.organization(context, repetitions(prd.field(10), context.by)[0] ?? '');
    return present([Object.keys(person).length === 0 ? undefined : person, organization]);
  });
}

/** PRD-3 and PRD-5: where and how to reach them. */
function contactOf(context: Context, prd: Segment): Element {
  const { by } = context;
  return {
    address: present(repetitions(prd.field(3), by).map((raw) => xadAddress(context, raw, 'PRD-3'))),
    telecom: present(repetitions(prd.field(5), by).map((raw) => xtnContactPoint(context, raw, 'work', 'PRD-5'))),
  };
}
