/** IN1 with IN2 to Coverage (map IN1[Coverage]). The money fields are not mapped; IN3 is read by `care-team.ts`. */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Claimed } from './claim.ts';
import { ofPatient, personalMeta, subjectOf, type ClinicalFrame } from './clinical.ts';
import { codeOf, compact, firstOf, periodOf, present, textOf, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { cxIdentifier } from './datatypes/identifier.ts';
import { relatedPerson } from './related-person.ts';

const CLASS = 'http://terminology.hl7.org/CodeSystem/coverage-class';
const SUBSCRIBER = 'http://terminology.hl7.org/CodeSystem/subscriber-relationship';
const SUBSCRIBER_ID = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-subscriberId';

/** Table 0063 to subscriber-relationship, in the version 2.x codes and the numbers that X12 feeds send. */
const RELATIONSHIP: Readonly<Record<string, string>> = codeTable({
  SEL: 'self',
  '18': 'self',
  SPO: 'spouse',
  '01': 'spouse',
  CHD: 'child',
  NCH: 'child',
  SCH: 'child',
  '19': 'child',
  PAR: 'parent',
  MTH: 'parent',
  FTH: 'parent',
  DOM: 'common',
});

/**
 * Adds the Coverage of one IN1 and returns its position; undefined for one that names no insurer and no plan. `financialClass`: PV1-20,
 * where IN1-15 is empty.
 */
export function coverageChange(
  frame: ClinicalFrame,
  { segment: in1, number, below }: Claimed,
  financialClass: Element | undefined,
): number | undefined {
  const { context, list } = frame;
  const location = `IN1[${number}]`;
  const payor = payorOf(frame, in1, location);
  if (payor === undefined) {
    context.omissions.push({ location: `${location}-4`, reason: 'no-name' });
    return undefined;
  }
  const code = firstOf(context, in1.field(17)) ?? '';
  const relationship = relationshipOf(context, in1.field(17), code);
  const policy = textOf(context, in1.field(36));
  const insured = repetitions(in1.field(49), context.by);
  const number49 = cxIdentifier(context, insured[0] ?? '', 'SN', `${location}-49`);
  const member = cxIdentifier(
    context,
    repetitions(below.find(({ id }) => id === 'IN2')?.field(61) ?? '', context.by)[0] ?? '',
    'MB',
    'IN2-61',
  );
  const group = cxIdentifier(context, repetitions(in1.field(10), context.by)[0] ?? '', 'XX', `${location}-10`);
  const subscriber = number49 ?? (group?.type === 'SN' ? group : undefined);
  const order = textOf(context, in1.field(22));
  const plan = firstOf(context, in1.field(2)) ?? '';
  return list.add({
    type: 'Coverage',
    keys: [
      ofPatient(
        frame,
        'coverage',
        payor.name,
        plan,
        policy ?? subscriber?.value ?? textOf(context, in1.field(8)) ?? '',
      ),
    ],
    set: {
      resourceType: 'Coverage',
      ...personalMeta(frame),
      ...compact({
        status: firstOf(context, in1.field(55)) === 'D' ? 'cancelled' : 'active',
        type: conceptOf(context, in1.field(15), `${V2_TABLE}0086`) ?? financialClass,
        subscriber: subscriberOf(frame, in1, location, relationship),
        subscriberId: policy ?? subscriber?.value,
        beneficiary: subjectOf(frame),
        relationship: relationship.concept,
        period: periodOf(context, in1.field(12), in1.field(13), `${location}-12`),
        payor: [payor.reference],
        policyHolder: policyHolderOf(frame, in1, location),
        class: classes(context, in1),
        order: order !== undefined && /^[1-9]\d?$/.test(order) ? Number(order) : undefined,
        extension:
          subscriber === undefined ? undefined : [{ url: SUBSCRIBER_ID, valueIdentifier: subscriber.identifier }],
      }),
    },
    append: { identifier: present([member]).map(({ identifier }) => identifier) },
  });
}

/** IN1-3 with IN1-4, 5, 7: an organisation of the directory; else who is named; else the plan. */
function payorOf(
  frame: ClinicalFrame,
  in1: Segment,
  location: string,
): { reference: Element; name: string } | undefined {
  const { context, list } = frame;
  const raw = repetitions(in1.field(3), context.by)[0] ?? '';
  const name = textOf(context, components(repetitions(in1.field(4), context.by)[0] ?? '', context.by)[0]);
  const found = cxIdentifier(context, raw, 'NIIP', `${location}-3`);
  if (found !== undefined) {
    const reference = list.entry('Organization', raw, found, name, {
      name,
      address: present(repetitions(in1.field(5), context.by).map((text) => xadAddress(context, text, `${location}-5`))),
      telecom: present(
        repetitions(in1.field(7), context.by).map((text) => xtnContactPoint(context, text, undefined, `${location}-7`)),
      ),
    });
    return { reference, name: `${found.system}|${found.value}` };
  }
  const plan = components(in1.field(2), context.by);
  const display = name ?? textOf(context, plan[1]) ?? textOf(context, plan[0]);
  return display === undefined ? undefined : { reference: { display }, name: display.toLowerCase() };
}

/** IN1-11 with IN1-10: the employer who holds the policy. */
function policyHolderOf({ context, list }: ClinicalFrame, in1: Segment, location: string): Element | undefined {
  const raw = repetitions(in1.field(11), context.by)[0] ?? '';
  const number = cxIdentifier(context, repetitions(in1.field(10), context.by)[0] ?? '', 'XX', `${location}-10`);
  if (number === undefined || number.type === 'SN') return list.organization(context, raw);
  const name = textOf(context, components(raw, context.by)[0]);
  return list.entry('Organization', in1.field(10), number, name, { name });
}

interface Relationship {
  readonly code: string | undefined;
  readonly concept: Element | undefined;
}

/** IN1-17; a code that the value set does not have is `other`, beside the code itself. */
function relationshipOf(context: Context, raw: string, code: string): Relationship {
  const concept = conceptOf(context, raw, `${V2_TABLE}0063`);
  if (concept === undefined) return { code: undefined, concept };
  const mapped = RELATIONSHIP[code] ?? 'other';
  const own = Array.isArray(concept.coding) ? (concept.coding as Element[]) : [];
  return { code: mapped, concept: { ...concept, coding: [{ system: SUBSCRIBER, code: mapped }, ...own] } };
}

/** The patient, or the person of IN1-16. */
function subscriberOf(
  frame: ClinicalFrame,
  in1: Segment,
  location: string,
  { code }: Relationship,
): Element | undefined {
  if (code === 'self') return subjectOf(frame);
  const index = relatedPerson(frame, 'subscriber', {
    segment: in1,
    location,
    name: 16,
    relationship: 17,
    address: 19,
    telecom: [],
    birthDate: 18,
    gender: 43,
    identifiers: [],
  });
  return index === undefined ? undefined : { reference: changeReference(index) };
}

/** IN1-2 plan, IN1-8 and 9 group. */
function classes(context: Context, in1: Segment): Element[] {
  const of = (kind: string, value: string | undefined, name: string | undefined): Element[] =>
    value === undefined ? [] : [compact({ type: { coding: [{ system: CLASS, code: kind }] }, value, name })];
  const plan = components(in1.field(2), context.by);
  const groupName = firstOf(context, repetitions(in1.field(9), context.by)[0]);
  return [
    ...of('plan', codeOf(context, plan[0]) ?? textOf(context, plan[1]), textOf(context, plan[1])),
    ...of('group', textOf(context, in1.field(8)) ?? groupName, groupName),
  ];
}
