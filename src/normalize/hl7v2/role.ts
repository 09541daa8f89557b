/** ROL and PRT: who takes part in what (maps ROL[...], PRT[...]). Persons are practitioners: tables 0443 and 0912 name no others. */
import { codeTable } from '../../core/code-table.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, firstOf, periodOf, present, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { PARTICIPATION, PROVIDER_ROLE } from './vocabulary.ts';

const PARTICIPATIONS: Readonly<Record<string, Element>> = codeTable({ ...PROVIDER_ROLE, ...PARTICIPATION });

export interface Role {
  /** First component of ROL-3 or PRT-4. */
  readonly code: string | undefined;
  readonly concept: Element | undefined;
  /** Reference to the person, else to the organisation of PRT. */
  readonly member: Element;
  /** False for an organisation, which many elements of R4 do not take. */
  readonly isPerson: boolean;
  readonly period: Element | undefined;
  /** ROL-9 or PRT-6: what kind of provider the person is. */
  readonly kind: Element | undefined;
  /** ROL-14 or PRT-8, where there is a person too. */
  readonly onBehalfOf: Element | undefined;
  /** ROL-8. */
  readonly reason: Element | undefined;
}

/** Roles that hold: one for each person. ROL-2 `DE` and PRT-2 `D` end one and give none. */
export function rolesOf(context: Context, list: ChangeList, segments: readonly Segment[]): Role[] {
  return segments.flatMap((segment) => {
    const isRol = segment.id === 'ROL';
    const action = firstOf(context, segment.field(2));
    if (action === 'DE' || action === 'D') return [];
    const raw = segment.field(isRol ? 3 : 4);
    const code = firstOf(context, raw);
    // The guide maps the codes that both tables have in the older one only; they mean the same in the newer.
    const concept = isRol
      ? tableConcept(context, raw, '0443', PROVIDER_ROLE, 'instead')
      : tableConcept(context, raw, '0912', PARTICIPATIONS, 'instead');
    const period = periodOf(context, segment.field(isRol ? 5 : 11), segment.field(isRol ? 6 : 12), `${segment.id}-5`);
    const each = (rol: number, prt: number): readonly string[] =>
      repetitions(segment.field(isRol ? rol : prt), context.by);
    // An address of a person's home or office is one of the person; a PractitionerRole would hide them from searches by practitioner.
    const reached = compact({
      address: present(each(11, 14).map((address) => xadAddress(context, address, segment.id))),
      telecom: present(each(12, 15).map((number) => xtnContactPoint(context, number, 'work', segment.id))),
    });
    const people = present(each(4, 5).map((person) => list.practitioner(context, person, reached)));
    const unit = conceptOf(context, each(10, 7)[0], `${V2_TABLE}0406`);
    const organization = list.organization(context, each(14, 8)[0] ?? '', unit === undefined ? {} : { type: [unit] });
    const members = people.length > 0 ? people : organization === undefined ? [] : [organization];
    return members.map((member) => ({
      code,
      concept,
      member,
      isPerson: people.length > 0,
      period,
      kind: conceptOf(context, each(9, 6)[0]),
      onBehalfOf: people.length > 0 ? organization : undefined,
      reason: isRol ? conceptOf(context, segment.field(8)) : undefined,
    }));
  });
}

/** Encounter.participant and Appointment-like entries of roles. */
export function roleParticipants(roles: readonly Role[]): Element[] {
  return roles
    .filter(({ isPerson }) => isPerson)
    .map(({ concept, kind, member, period }) =>
      compact({ type: present([concept, kind]), period, individual: member }),
    );
}
