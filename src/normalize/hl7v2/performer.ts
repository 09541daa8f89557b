/**
 * Who made a result or report (maps OBX[Observation], OBR[DiagnosticReport]): people and organisations, with what they did beside
 * the reference where it is not simply that they observed. Roles that say nothing but who it is become no PractitionerRole.
 */
import { codeTable } from '../../core/code-table.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { rolesOf } from './role.ts';
import { compact, firstOf, present, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { codingsOf } from './datatypes/codeable-concept.ts';

const FUNCTION = 'http://hl7.org/fhir/StructureDefinition/event-performerFunction';
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** OBX fields that name who made a result. */
const PERFORMERS = [15, 16, 23, 25];
/** OBX-25 leads the organisation. */
const MEDICAL_DIRECTOR: Element = { system: 'http://terminology.hl7.org/CodeSystem/v2-0912', code: 'MDIR' };
/** OBR-34. */
export const TECHNICIAN: Element = { system: PARTICIPATION, code: 'SPRF' };
/** OBR-35. */
export const TRANSCRIPTIONIST: Element = { system: PARTICIPATION, code: 'TRANS' };

/** A performer who did something else than to observe. */
export function performerAs(performer: Element | undefined, coding: Element): Element | undefined {
  return performer === undefined
    ? undefined
    : { extension: [{ url: FUNCTION, valueCodeableConcept: { coding: [coding] } }], ...performer };
}

/** What the roles of an order are for; tables 0443 and 0912 share these codes. */
const PARTS: Readonly<Record<string, RolePart>> = codeTable<RolePart>({
  OP: 'orderer',
  SC: 'collector',
  PRI: 'interpreter',
  PI: 'interpreter',
});

/** Who ordered, collected the specimen, interpreted the result, or did something else. */
export type RolePart = 'orderer' | 'collector' | 'interpreter' | 'other';

/** Those of PRT and ROL that name somebody who took this part. */
export function rolesAs(context: Context, roles: readonly Segment[] | undefined, part: RolePart): Segment[] {
  return (roles ?? []).filter(
    (segment) => (PARTS[firstOf(context, segment.field(segment.id === 'ROL' ? 3 : 4)) ?? ''] ?? 'other') === part,
  );
}

/** PRT and ROL behind an order or result: who took part, and as what. */
export function participants(context: Context, list: ChangeList, segments: readonly Segment[]): Element[] {
  if (segments.length === 0) return [];
  const performers = rolesOf(context, list, segments).map(({ concept, member }) => {
    const coding: Element[] = Array.isArray(concept?.coding) ? concept.coding : [];
    return coding.length === 0 ? member : performerAs(member, coding[0]);
  });
  return present(performers);
}

/** OBX-23 with its address (OBX-24). */
export function performingOrganization(context: Context, list: ChangeList, obx: Segment): Element | undefined {
  const raw = repetitions(obx.field(23), context.by)[0] ?? '';
  if (raw === '' || obx.field(24) === '') return list.organization(context, raw);
  const address = repetitions(obx.field(24), context.by).map((text) => xadAddress(context, text, 'OBX-24'));
  return list.organization(context, raw, { address: present(address) });
}

/** OBX-16, OBX-23 (else OBX-15), OBX-25 and PRT. */
export function resultPerformers(
  context: Context,
  list: ChangeList,
  obx: Segment,
  roles: readonly Segment[] | undefined,
): Element[] {
  if (roles === undefined && PERFORMERS.every((field) => obx.field(field) === '')) return [];
  const [director = ''] = repetitions(obx.field(25), context.by);
  return present([
    ...repetitions(obx.field(16), context.by).map((raw) => list.practitioner(context, raw)),
    performingOrganization(context, list, obx) ?? producer(context, obx.field(15)),
    performerAs(list.practitioner(context, director), MEDICAL_DIRECTOR),
    ...participants(context, list, roles ?? []),
  ]);
}

/** OBX-15 names the producer by a code of its own: a reference by identifier. */
function producer(context: Context, raw: string): Element | undefined {
  if (raw === '') return undefined;
  const [coding] = codingsOf(context, raw);
  if (coding === undefined) return undefined;
  return compact({ identifier: compact({ system: coding.system, value: coding.code }), display: coding.display });
}
