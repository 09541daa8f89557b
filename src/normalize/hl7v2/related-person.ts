/** NK1, PID-21, IN1-16 and GT1 to RelatedPerson (maps NK1[RelatedPerson], CX[RelatedPerson-Mother]). */
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import { toFhirDate } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { ofPatient, personalMeta, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, dtmOf, firstOf, periodOf, present, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { nameText, xpnNames } from './datatypes/human-name.ts';
import { cxIdentifier } from './datatypes/identifier.ts';
import { languageOf } from './language.ts';
import { GENDER, RELATIONSHIP } from './tables.ts';

/** NK1-7 and NK1-3 codes of bodies that are contacts but no persons. */
const NOT_PERSONS = new Set(['E', 'EMR', 'F', 'I', 'S']);

/** Fields of one kind of segment that describe a person. */
export interface PersonFields {
  readonly segment: Segment;
  readonly location: string;
  readonly name: number;
  readonly relationship: number;
  /** Role of a contact, table 0131. */
  readonly role?: number;
  readonly address?: number;
  /** Field and use. */
  readonly telecom: readonly (readonly [field: number, use: string | undefined])[];
  readonly birthDate?: number;
  readonly gender?: number;
  readonly identifiers: readonly (readonly [field: number, type: string])[];
}

/**
 * The RelatedPerson of a segment; undefined when it has no name. Known by name and `role` within the patient's record, since
 * their numbers come and go. `elements`: what only this segment says.
 */
export function relatedPerson(
  frame: ClinicalFrame,
  role: string,
  fields: PersonFields,
  elements: Element = {},
): number | undefined {
  const { context, list } = frame;
  const { segment, location } = fields;
  const rawOf = (n: number | undefined): string => (n === undefined ? '' : segment.field(n));
  const each = (n: number | undefined): readonly string[] => repetitions(rawOf(n), context.by);
  const name = each(fields.name).flatMap((raw) => xpnNames(context, raw, `${location}-${fields.name}`));
  const display = nameText(name[0]);
  if (display === undefined) return undefined;
  const identifiers = present(
    fields.identifiers.flatMap(([field, type]) =>
      each(field).map((raw) => cxIdentifier(context, raw, type, `${location}-${field}`)),
    ),
  );
  const birth = dtmOf(context, rawOf(fields.birthDate), `${location}-${fields.birthDate ?? ''}`);
  const related = relationshipOf(context, segment.field(fields.relationship));
  return list.add({
    type: 'RelatedPerson',
    keys: [ofPatient(frame, 'related', role, display.toLowerCase())],
    set: {
      resourceType: 'RelatedPerson',
      ...personalMeta(frame),
      patient: subjectOf(frame),
      ...compact({
        name,
        relationship: present([related, conceptOf(context, rawOf(fields.role), `${V2_TABLE}0131`)]),
        address: present(
          each(fields.address).map((raw) => xadAddress(context, raw, `${location}-${fields.address ?? ''}`)),
        ),
        telecom: present(
          fields.telecom.flatMap(([field, use]) =>
            each(field).map((raw) => xtnContactPoint(context, raw, use, `${location}-${field}`)),
          ),
        ),
        gender: GENDER[firstOf(context, rawOf(fields.gender)) ?? ''],
        birthDate: birth && toFhirDate(birth),
        ...elements,
      }),
    },
    append: { identifier: identifiers.map(({ identifier }) => identifier) },
  });
}

/** Table 0063 by its map; other codes stay codes of it. */
export function relationshipOf(context: Context, raw: string): Element | undefined {
  return tableConcept(context, raw, '0063', RELATIONSHIP, 'instead');
}

/** NK1 of a person; employers, insurers and agencies are contacts only. */
export function nextOfKinChange(frame: ClinicalFrame, nk1: Segment, number: number): number | undefined {
  const { context } = frame;
  const relationship = firstOf(context, nk1.field(3)) ?? '';
  const role = firstOf(context, nk1.field(7));
  if (NOT_PERSONS.has(relationship) || (role !== undefined && NOT_PERSONS.has(role))) return undefined;
  const location = `NK1[${number}]`;
  const fields: PersonFields = {
    segment: nk1,
    location,
    name: 2,
    relationship: 3,
    role: 7,
    address: 4,
    telecom: [
      [5, undefined],
      [6, 'work'],
      [40, undefined],
    ],
    birthDate: 16,
    gender: 15,
    identifiers: [
      [12, 'EN'],
      [33, 'NI'],
    ],
  };
  return relatedPerson(frame, relationship, fields, {
    communication: languageOf(context, nk1.field(20)),
    period: periodOf(context, nk1.field(8), nk1.field(9), `${location}-8`),
  });
}

/** PID-21, the mother's identifier: who a newborn's mother is. */
export function motherChange(frame: ClinicalFrame, pid: Segment): void {
  const { context, list } = frame;
  for (const raw of repetitions(pid.field(21), context.by)) {
    const found = cxIdentifier(context, raw, 'MR', 'PID-21');
    if (found === undefined) continue;
    list.add({
      type: 'RelatedPerson',
      keys: [ofPatient(frame, 'mother', found.system, found.value)],
      set: {
        resourceType: 'RelatedPerson',
        ...personalMeta(frame),
        patient: subjectOf(frame),
        relationship: [{ coding: [RELATIONSHIP.MTH] }],
      },
      append: { identifier: [found.identifier] },
    });
  }
}
