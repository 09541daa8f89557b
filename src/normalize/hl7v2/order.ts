/**
 * One ORDER_OBSERVATION group of ORU_R01: ORC and OBR to ServiceRequest and DiagnosticReport (maps ORC[ServiceRequest],
 * OBR[ServiceRequest], ORC[DiagnosticReport], OBR[DiagnosticReport]), its OBX to Observations.
 */
import { changeReference } from '../../formats/fhir/change.ts';
import { GatewayError } from '../../core/errors.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import { toFhirInstant, toMillis } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import {
  compact,
  dateTimeOf,
  dtmOf,
  firstOf,
  periodOf,
  present,
  textOf,
  type Context,
  type Element,
} from './context.ts';
import { codingsOf, conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { isSupportingInfo, notesOf, observationChange, type ObservationFrame } from './observation.ts';
import type { ServiceOrder } from './order-group.ts';
import { orderNumbers, reportKey } from './order-numbers.ts';
import { parentElsewhere, parentResult, resultName, type ResultName } from './parent.ts';
import { namedResults } from './panels.ts';
import {
  participants,
  performerAs,
  performingOrganization,
  rolesAs,
  TECHNICIAN,
  TRANSCRIPTIONIST,
} from './performer.ts';
import { rolesOf } from './role.ts';
import { codedMarks, metaOf } from './security.ts';
import { requestChange, type OrderFrame } from './service-request.ts';
import { obrSpecimen, specimenChange, type SpecimenFrame } from './specimen.ts';
import { REPORT_STATUS, SECTION_CATEGORY, STATUS_RANK } from './tables.ts';

const EVENT_REASON = 'http://hl7.org/fhir/StructureDefinition/event-statusReason';
const REPORT_NOTE = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note';

/** The reports of one patient in one message. */
export interface ReportFrame extends OrderFrame {
  /** Positions of results by what a child's OBR-26 calls them. */
  readonly results: Map<ResultName, number>;
}

/** Adds the Changes of one order with results; positions of its specimens. Throws `required-missing` without OBR-4, `invalid-content` for an unusable OBR-25. */
export function orderChanges(context: Context, list: ChangeList, group: ServiceOrder, frame: ReportFrame): number[] {
  const { orc, obr } = group;
  const location = `OBR[${group.number}]`;
  const numbers = orderNumbers(context, orc, obr);
  const code = conceptOf(context, obr.field(4)) ?? conceptOf(context, group.observations[0]?.obx.field(3));
  if (code === undefined)
    throw new GatewayError('required-missing', 'OBR-4, the service, is required', { expression: `${location}-4` });
  const status = reportStatus(context, group, location);
  const parent = parentResult(context, obr);
  const number = reportKey(context, group, numbers, frame.patient);
  // Children of two organisms often share number and service: the organism tells them apart.
  const key = parent === undefined ? number : [...number, 'parent', parent];
  const orderMarks = codedMarks(context, orc?.field(28) ?? '');
  const done = status === 'final' || status === 'corrected' ? 'completed' : undefined;
  const request = requestChange(context, list, group, frame, { numbers, code, done, key, orderMarks, stated: false });
  const specimens = specimensOf(context, list, group, {
    patient: frame.patient.index,
    request,
    key,
    marks: frame.marks,
    orderMarks,
    firsts: frame.firsts,
  });
  const section = firstOf(context, obr.field(24));
  const reported = dtmOf(context, obr.field(22), `${location}-22`);
  const sourceTime = (reported === undefined ? undefined : toMillis(reported, context.zone)) ?? frame.sourceTime;
  const issued = reported === undefined ? undefined : toFhirInstant(reported, context.zone);
  const observationFrame: ObservationFrame = {
    key: ['observation', ...key],
    patient: frame.patient.index,
    encounter: frame.encounter,
    basedOn: request,
    specimen: specimens.length === 1 ? specimens[0] : undefined,
    observedAt: dateTimeOf(context, obr.field(7), `${location}-7`),
    category: SECTION_CATEGORY[section ?? ''] ?? 'laboratory',
    sourceTime,
    marks: frame.marks,
    orderMarks,
    used: frame.used,
  };
  const result: Element[] = [];
  const supportingInfo: Element[] = [];
  for (const observation of group.observations) {
    const specimen =
      group.specimens.length > 1 ? specimens[group.specimens.findIndex((s) => s === observation.specimen)] : undefined;
    const index = observationChange(
      context,
      list,
      observation,
      specimen === undefined ? observationFrame : { ...observationFrame, specimen },
    );
    if (index === undefined) continue;
    (isSupportingInfo(context, observation.obx) ? supportingInfo : result).push({ reference: changeReference(index) });
    const [coding] = codingsOf(context, observation.obx.field(3));
    if (coding !== undefined) frame.results.set(resultName(coding, textOf(context, observation.obx.field(4))), index);
  }
  list.appendTo(request, 'supportingInfo', supportingInfo);
  // The results of a child belong to the result that called for it: a susceptibility to its organism.
  const organism = parent === undefined ? undefined : frame.results.get(parent);
  if (organism !== undefined) list.appendTo(organism, 'hasMember', result);
  else if (parent !== undefined) memberElsewhere(context, list, obr, result, frame, orderMarks);
  const effective = effectiveOf(context, obr, location);
  const meta = metaOf(frame.marks.all, frame.marks.clinical, orderMarks);
  const statusReason = conceptOf(context, orc?.field(16));
  const notes = notesOf(context, group.notes, list);
  const statedAt = sourceTime + (STATUS_RANK[status] ?? 0);
  const subject = { reference: changeReference(frame.patient.index) };
  const common = { ...(meta && { meta }), code, subject, ...effective };
  const named = namedResults(list, result, { key, status, elements: common, sourceTime: statedAt });
  list.add({
    type: 'DiagnosticReport',
    keys: [['report', ...key]],
    set: {
      resourceType: 'DiagnosticReport',
      ...(meta && { meta }),
      ...compact({
        basedOn: [{ reference: changeReference(request) }],
        status,
        category: [{ coding: codingsOf(context, obr.field(24), `${V2_TABLE}0074`) }],
        code,
        subject,
        encounter: frame.encounter === undefined ? undefined : { reference: changeReference(frame.encounter) },
        ...effective,
        issued,
        performer: performersOf(context, list, group),
        resultsInterpreter: [
          ...present(
            [obr.field(32), ...repetitions(obr.field(33), context.by)].map((raw) => interpreterOf(context, list, raw)),
          ),
          ...interpretersOf(context, list, group),
        ],
        extension: present([
          statusReason === undefined ? undefined : { url: EVENT_REASON, valueCodeableConcept: statusReason },
          ...(notes ?? []).map((valueAnnotation) => ({ url: REPORT_NOTE, valueAnnotation })),
        ]),
      }),
      ...(section === undefined && {
        category: [{ coding: [{ system: `${V2_TABLE}0074`, code: 'LAB', display: 'Laboratory' }] }],
      }),
    },
    append: {
      identifier: numbers.all.map(({ identifier }) => identifier),
      result: named,
      ...(specimens.length > 0 && { specimen: specimens.map((index) => ({ reference: changeReference(index) })) }),
    },
    whole: [],
    sourceTime: statedAt,
  });
  return specimens;
}

/** Positions of the specimens of an order: its SPM, else what OBR tells of one. */
export function specimensOf(context: Context, list: ChangeList, group: ServiceOrder, frame: SpecimenFrame): number[] {
  if (group.specimens.length > 0)
    return group.specimens.map((specimen) =>
      specimenChange(context, list, specimen, { ...frame, order: group.specimens.length === 1 ? group : undefined }),
    );
  return present([obrSpecimen(context, list, group.obr, frame)]);
}

/**
 * The results of a child whose parent came in another message, or is still to come: then this holds its place. It is older than anything
 * that the laboratory says of the parent itself.
 */
function memberElsewhere(
  context: Context,
  list: ChangeList,
  obr: Segment,
  hasMember: readonly Element[],
  frame: ReportFrame,
  orderMarks: readonly Element[],
): void {
  const found = parentElsewhere(context, obr);
  if (found === undefined || hasMember.length === 0) return;
  const meta = metaOf(frame.marks.all, frame.marks.clinical, orderMarks);
  list.add({
    type: 'Observation',
    keys: [found.key],
    set: {
      resourceType: 'Observation',
      ...(meta && { meta }),
      subject: { reference: changeReference(frame.patient.index) },
    },
    append: { hasMember },
    initial: { status: 'registered', code: found.code },
    sourceTime: 0,
  });
}

/** OBR-25; where it is empty, ours: the least advanced of the results. Y and Z say that there is nothing to report on. */
function reportStatus(context: Context, group: ServiceOrder, location: string): string {
  const code = firstOf(context, group.obr.field(25));
  if (code !== undefined) {
    const status = REPORT_STATUS[code];
    if (status !== undefined) return status;
    throw new GatewayError('invalid-content', 'OBR-25 is not a result status that reports something', {
      expression: `${location}-25`,
    });
  }
  const results = group.observations.map(({ obx }) => firstOf(context, obx.field(11)) ?? 'F');
  if (results.length === 0) return 'registered';
  if (results.every((result) => result === 'C' || result === 'F')) return results.includes('C') ? 'corrected' : 'final';
  return results.some((result) => 'PRS'.includes(result))
    ? 'preliminary'
    : results.some((result) => 'FC'.includes(result))
      ? 'partial'
      : 'unknown';
}

/** OBR-7 alone is a time, with OBR-8 a period. */
function effectiveOf(context: Context, obr: Segment, location: string): Element {
  if (firstOf(context, obr.field(8)) !== undefined)
    return compact({ effectivePeriod: periodOf(context, obr.field(7), obr.field(8), `${location}-7`) });
  return compact({ effectiveDateTime: dateTimeOf(context, obr.field(7), `${location}-7`) });
}

/** The organisations that performed (OBX-23 of the results, once each), the technicians (OBR-34) and who typed it (OBR-35). */
function performersOf(context: Context, list: ChangeList, group: ServiceOrder): Element[] {
  const { obr } = group;
  const organizations = new Map(
    group.observations.map(({ obx }) => [repetitions(obx.field(23), context.by)[0] ?? '', obx]),
  );
  const people = [
    [34, TECHNICIAN],
    [35, TRANSCRIPTIONIST],
  ] as const;
  return present([
    ...[...organizations.values()].map((obx) => performingOrganization(context, list, obx)),
    ...people.flatMap(([field, coding]) =>
      obr.field(field) === ''
        ? []
        : repetitions(obr.field(field), context.by).map((raw) =>
            performerAs(interpreterOf(context, list, raw), coding),
          ),
    ),
    ...participants(context, list, rolesAs(context, group.roles, 'other')),
  ]);
}

/** PRT and ROL that name who interpreted. */
function interpretersOf(context: Context, list: ChangeList, { roles }: ServiceOrder): Element[] {
  if (roles === undefined) return [];
  return rolesOf(context, list, rolesAs(context, roles, 'interpreter')).map(({ member }) => member);
}

/** NDL: the first component holds a CNN as subcomponents. */
function interpreterOf(context: Context, list: ChangeList, raw: string): Element | undefined {
  if (raw === '' || raw === '""') return undefined;
  const parts = components(raw, context.by);
  const person = subcomponents(parts[0], context.by);
  // Senders write the name as components of the field instead.
  return list.interpreter(context, person.length > 1 ? person : parts);
}
