/** ORC, OBR and TQ1 to ServiceRequest (maps ORC[ServiceRequest], OBR[ServiceRequest], TQ1[ServiceRequest], NTE[ServiceRequest]). */
import { changeReference, type BusinessKey, type MergeChange } from '../../formats/fhir/change.ts';
import { codeTable } from '../../core/code-table.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { codeOf, compact, dateTimeOf, firstOf, present, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, tableConcept } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { eiIdentifier, type Identified } from './datatypes/identifier.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup } from './order-group.ts';
import { requestKeys, type OrderNumbers } from './order-numbers.ts';
import { parentReferences, reflexReason } from './parent.ts';
import { participants, rolesAs } from './performer.ts';
import { requestExtensions } from './request-extensions.ts';
import { rolesOf } from './role.ts';
import type { PatientResult } from './patient.ts';
import { metaOf, type Marks } from './security.ts';
import { ORDER_CONTROL_STATUS, ORDER_RANK, ORDER_STATUS, PRIORITY } from './tables.ts';
import { timingsOf, type OrderTiming } from './timing.ts';

/** What surrounds the orders of one patient. */
export interface OrderFrame {
  readonly patient: PatientResult;
  readonly encounter: number | undefined;
  readonly marks: Marks;
  readonly sourceTime: number;
  readonly used: Map<string, number>;
  /** Positions of the ServiceRequests of this message by their first key: one order may have several OBR. */
  readonly requests: Map<string, number>;
  /** What the first of its number in this message is, so that another of the same number stays apart. */
  readonly firsts: Map<string, string>;
}

/** What the caller knows of the request. */
export interface RequestParts {
  readonly numbers: OrderNumbers;
  readonly code: Element | undefined;
  /** `completed` where the report is final. */
  readonly done: string | undefined;
  /** Key for a request without a number. */
  readonly key: BusinessKey;
  readonly orderMarks: readonly Element[];
  /** An order states itself; a result only fills in what nobody has said of its order. */
  readonly stated: boolean;
}

const ROLE = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';

/** Table 0482, order type, as places (map OrderType). */
const ORDER_TYPE: Readonly<Record<string, Element>> = codeTable({
  I: { system: ROLE, code: 'HOSP', display: 'Hospital' },
  O: { system: ROLE, code: 'OF', display: 'Outpatient facility' },
});

/** The ends of a request in the order in which they follow each other, and what comes before any of them. */
const COURSE = ['completed', 'revoked', 'entered-in-error'];
const OPEN = ['active', 'on-hold'];

/** ORC-1 that only ask for a status: the order stands as it was until whoever carries it out answers. */
const STATUS_REQUESTS = new Set(['CA', 'HD']);

/**
 * When what a message says of an order holds, for `Change.sourceTime`. An end (cancelled, completed) and whoever carries the order out
 * fill in what nobody has stated and are older than any statement: else an order that arrives after its cancellation or its report
 * would be late and lose all that it says. `undefined`: it states the order as of its own time.
 */
export function filledSince(stated: boolean, status: string | undefined, ends: readonly string[]): 0 | undefined {
  return stated && !ends.includes(status ?? '') ? undefined : 0;
}

/** A message that is not the last word does not go back, and an end that arrives late is the end all the same. */
export function courseOf(status: string | undefined, ends: readonly string[]): CourseRules {
  const at = ends.indexOf(status ?? '');
  return {
    keepIf: { status: ends.slice(at + 1) },
    ...(at >= 0 && { advance: { status: [...OPEN, ...ends.slice(0, at)] } }),
  };
}

export type CourseRules = Required<Pick<MergeChange, 'keepIf'>> & Pick<MergeChange, 'advance'>;

/** Adds the Change of a request, once a message, and returns its position. */
export function requestChange(
  context: Context,
  list: ChangeList,
  group: OrderGroup,
  frame: OrderFrame,
  parts: RequestParts,
): number {
  const { orc } = group;
  const { numbers } = parts;
  const keys = requestKeys(numbers);
  if (keys.length === 0) keys.push(['request', ...parts.key]);
  const name = JSON.stringify(keys[0]);
  const known = frame.requests.get(name);
  if (known !== undefined) return known;
  const meta = metaOf(frame.marks.all, frame.marks.clinical, parts.orderMarks);
  const control = ORDER_CONTROL_STATUS[firstOf(context, orc?.field(1)) ?? ''];
  const status = ORDER_STATUS[firstOf(context, orc?.field(5)) ?? ''] ?? (parts.stated ? control : parts.done);
  const { extension: extensions = [], ...elements } = requestElements(context, list, group, parts, frame.encounter);
  const isRequest = parts.stated && STATUS_REQUESTS.has(firstOf(context, orc?.field(1)) ?? '');
  const since = filledSince(parts.stated && !isRequest, status, COURSE);
  const isFilled = since !== undefined;
  const index = list.add({
    type: 'ServiceRequest',
    keys,
    set: {
      resourceType: 'ServiceRequest',
      ...(meta && { meta }),
      subject: { reference: changeReference(frame.patient.index) },
      ...(!isFilled && elements),
      ...(status !== undefined && { status }),
    },
    ...courseOf(status, COURSE),
    append: {
      identifier: [
        ...numbers.all,
        ...present([eiIdentifier(context, groupNumbers(context, orc)[1], 'FGN')]),
        ...studyNumbers(context, group),
      ].map(({ identifier }) => identifier),
      extension: Array.isArray(extensions) ? extensions : [],
    },
    initial: { status: control ?? 'active', intent: 'order', ...(isFilled && elements) },
    ...(!isFilled && { whole: [] }),
    sourceTime: since ?? frame.sourceTime + (ORDER_RANK[status ?? ''] ?? 0),
  });
  frame.requests.set(name, index);
  return index;
}

/** IPC-1, the accession number, and IPC-3, the study of an imaging order. */
function studyNumbers(context: Context, { details }: OrderGroup): Identified[] {
  if (details.length === 0) return [];
  return details
    .filter(({ id }) => id === 'IPC')
    .flatMap((ipc) => {
      const study = firstOf(context, ipc.field(3));
      return present([
        eiIdentifier(context, ipc.field(1), 'ACSN'),
        study === undefined ? undefined : dicomIdentifier(study),
      ]);
    });
}

function dicomIdentifier(uid: string): Identified {
  const [system, value] = ['urn:dicom:uid', `urn:oid:${uid}`];
  return { system, value, type: '', identifier: { system, value } };
}

function requestElements(
  context: Context,
  list: ChangeList,
  group: OrderGroup,
  parts: RequestParts,
  encounter: number | undefined,
): Element {
  const { orc, obr } = group;
  const timings = timingsOf(context, group);
  const [timing] = timings;
  const requester = requesterOf(context, list, group);
  const reason = present(repetitions(obr?.field(31) ?? '', context.by).map((raw) => conceptOf(context, raw)));
  const details = [46, 47].flatMap((field) =>
    present(repetitions(obr?.field(field) ?? '', context.by).map((raw) => conceptOf(context, raw))),
  );
  return compact({
    // A status message says nothing of what was ordered: then nothing of it is changed.
    ...(obr !== undefined && { intent: firstOf(context, obr.field(11)) === 'G' ? 'reflex-order' : 'order' }),
    priority: PRIORITY[timing?.priority ?? firstOf(context, obr?.field(5)) ?? ''],
    code: parts.code,
    // R4 rule prr-1: only with a code.
    orderDetail: parts.code === undefined ? undefined : details,
    quantityQuantity: timing?.quantity,
    encounter: encounter === undefined ? undefined : { reference: changeReference(encounter) },
    ...occurrence(timings, dateTimeOf(context, obr?.field(6), 'OBR-6')),
    asNeededBoolean: timing?.asNeeded,
    authoredOn: codeOf(context, orc?.field(1)) === 'NW' ? dateTimeOf(context, orc?.field(9), 'ORC-9') : undefined,
    requester,
    performer: parts.stated ? participants(context, list, rolesAs(context, group.roles, 'other')) : undefined,
    requisition: eiIdentifier(context, groupNumbers(context, orc)[0], 'PGN')?.identifier,
    basedOn: parentReferences(context, orc, obr),
    locationCode: present([tableConcept(context, orc?.field(29), '0482', ORDER_TYPE)]),
    reasonCode: [...reason, ...present([obr === undefined ? undefined : reflexReason(context, obr)])],
    note: parts.stated ? [...(notesOf(context, group.notes, list) ?? []), ...(timing?.notes ?? [])] : timing?.notes,
    extension: requestExtensions(context, group, parts.stated),
  });
}

/** ORC-12, else OBR-16, else the orderer of PRT or ROL; without a person the organisation of ORC-21. */
function requesterOf(context: Context, list: ChangeList, { orc, obr, roles }: OrderGroup): Element | undefined {
  const { by } = context;
  const each = (field: number): readonly string[] => repetitions(orc?.field(field) ?? '', by);
  const address = present(each(24).map((raw) => xadAddress(context, raw, 'ORC-24')));
  const people = repetitions(orc?.field(12) || (obr?.field(16) ?? ''), by);
  const [person] = present(people.map((raw) => list.practitioner(context, raw, { address })));
  if (person !== undefined) return person;
  const [orderer] = rolesOf(context, list, rolesAs(context, roles, 'orderer'));
  return (
    orderer?.member ??
    list.organization(context, each(21)[0] ?? '', {
      address: present(each(22).map((raw) => xadAddress(context, raw, 'ORC-22'))),
      telecom: present(each(23).map((raw) => xtnContactPoint(context, raw, 'work', 'ORC-23'))),
    })
  );
}

/** ORC-4: the placer's group number and, where the field is an EIP (2.8.2), the filler's, each as a raw EI. */
export function groupNumbers(context: Context, orc: Segment | undefined): readonly [placer: string, filler: string] {
  const raw = orc?.field(4) ?? '';
  const own = orc?.field(38) ?? '';
  if (!raw.includes(context.by.subcomponent)) return [raw, own];
  const [placer = '', filler = ''] = components(raw, context.by);
  return [placer, own || filler];
}

/** A pattern or duration needs a Timing; one moment is a dateTime, two are a period, several TQ1 of one moment each are events. */
function occurrence(timings: readonly OrderTiming[], requested: string | undefined): Element {
  const [timing] = timings;
  const starts = present(
    timings.map(({ timing: stated, start, end }) => ((stated ?? end) === undefined ? start : undefined)),
  );
  if (starts.length > 1 && starts.length === timings.length)
    return { occurrenceTiming: { event: [...new Set(starts)] } };
  if (timing?.timing !== undefined) return { occurrenceTiming: timing.timing };
  if (timing?.end !== undefined && timing.bounds !== undefined) return { occurrencePeriod: timing.bounds };
  return { occurrenceDateTime: requested ?? timing?.start };
}
