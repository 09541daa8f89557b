/** SPM, and OBR where there is no SPM, to Specimen (maps SPM[Specimen], OBR[Specimen], SPS[Specimen-Source]). */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { COLLECTION_METHOD } from './administration-codes.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, periodOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, tableConcept, V2_TABLE } from './datatypes/codeable-concept.ts';
import { cxIdentifier, eiIdentifier, type Identified } from './datatypes/identifier.ts';
import { cqQuantity, quantityOf } from './datatypes/quantity.ts';
import { notesOf } from './observation.ts';
import type { OrderGroup, SpecimenGroup } from './order-group.ts';
import { rolesAs } from './performer.ts';
import { fastingStatus } from './request-extensions.ts';
import { rolesOf } from './role.ts';
import { metaOf, type Marks } from './security.ts';

/** What surrounds the specimens: their patient and order. */
export interface SpecimenFrame {
  /** Position of the Patient. */
  readonly patient: number;
  /** Position of the ServiceRequest they were taken for. */
  readonly request: number | undefined;
  /** Key of the order, for specimens whose number means something only there. */
  readonly key: BusinessKey;
  readonly marks: Marks;
  readonly orderMarks: readonly Element[];
  /** See `OrderFrame`. */
  readonly firsts: Map<string, string>;
  /** Its order where it is the only specimen of it: OBR and roles fill in what SPM leaves out. */
  readonly order?: OrderGroup | undefined;
}

/** Table 0136 to Specimen.status (SPM-20). */
const AVAILABILITY: Readonly<Record<string, string>> = codeTable({ Y: 'available', N: 'unavailable' });

/** Adds the Change of a specimen and returns its position. */
export function specimenChange(context: Context, list: ChangeList, group: SpecimenGroup, frame: SpecimenFrame): number {
  const { spm } = group;
  const { by } = context;
  const location = `SPM[${group.number}]`;
  const eip = (raw: string): Identified[] => pairOf(context, raw);
  const own = eip(spm.field(2));
  const others = present([
    ...repetitions(spm.field(31), by).map((raw) => cxIdentifier(context, raw, '', `${location}-31`)),
    eiIdentifier(context, repetitions(spm.field(32), by)[0] ?? '', 'SHIP'),
  ]);
  const parent = repetitions(spm.field(3), by)
    .flatMap(eip)
    .map(({ identifier }) => ({ type: 'Specimen', identifier }));
  const concepts = (field: number, table: string): Element[] =>
    present(repetitions(spm.field(field), by).map((raw) => conceptOf(context, raw, `${V2_TABLE}${table}`)));
  const texts = [
    ...present(repetitions(spm.field(14), by).map((raw) => textOf(context, raw))),
    // Which side, which part: R4 has no modifiers of type and site.
    ...present([...concepts(5, '0541'), ...concepts(9, '0542')].map(conceptText)),
  ];
  const [start, end] = components(spm.field(17), by);
  const { order, ...ofOrder } = orderedSpecimen(context, list, frame);
  return list.add({
    type: 'Specimen',
    keys: keysOf(own, frame, group.number),
    set: specimen(frame, {
      type: conceptOf(context, spm.field(4), `${V2_TABLE}0487`),
      status: AVAILABILITY[firstOf(context, spm.field(20)) ?? ''],
      accessionIdentifier: accessionOf(context, group, location),
      parent,
      receivedTime: dateTimeOf(context, spm.field(18), `${location}-18`) ?? ofOrder.receivedTime,
      collection: optional({
        collector: ofOrder.collector,
        ...(start === undefined || firstOf(context, start) === undefined
          ? ofOrder.collected
          : collected(context, start, end, `${location}-17`)),
        method: tableConcept(context, repetitions(spm.field(7), by)[0], '0488', COLLECTION_METHOD),
        bodySite: concepts(8, '0163')[0],
        quantity: cqQuantity(context, spm.field(12)) ?? ofOrder.quantity,
        fastingStatusCodeableConcept: fastingStatus(context, order?.obr),
      }),
      container: containersOf(context, group, concepts(6, '0371')),
      // SPM-21: why it was rejected. It may do for other orders, so that its status is not touched.
      condition: [...concepts(24, '0493'), ...concepts(21, '0490')],
      note: [...texts.map((text) => ({ text })), ...(notesOf(context, group.notes, list) ?? [])],
    }),
    append: { identifier: [...own, ...others].map(({ identifier }) => identifier), ...requestOf(frame) },
    whole: [],
  });
}

interface OrderedSpecimen {
  readonly order: OrderGroup | undefined;
  readonly collector?: Element | undefined;
  readonly collected?: Element;
  readonly quantity?: Element | undefined;
  readonly receivedTime?: string | undefined;
}

/** What the order tells of its only specimen: OBR-7 to 10 and 14 (map OBR[Specimen]), the collector of PRT or ROL. */
function orderedSpecimen(context: Context, list: ChangeList, { order }: SpecimenFrame): OrderedSpecimen {
  if (order === undefined) return { order };
  const { obr, roles } = order;
  const field = (n: number): string => obr?.field(n) ?? '';
  const people = present(repetitions(field(10), context.by).map((raw) => list.practitioner(context, raw)));
  const collectors = roles === undefined ? [] : rolesOf(context, list, rolesAs(context, roles, 'collector'));
  return {
    order,
    collector: people[0] ?? collectors.find(({ isPerson }) => isPerson)?.member,
    collected: collected(context, field(7), field(8), 'OBR-7'),
    quantity: cqQuantity(context, field(9)),
    receivedTime: dateTimeOf(context, field(14), 'OBR-14'),
  };
}

/** SPM-30, else SAC-2. */
function accessionOf(context: Context, { spm, containers }: SpecimenGroup, location: string): unknown {
  const [own = ''] = repetitions(spm.field(30), context.by);
  const found =
    cxIdentifier(context, own, 'ACSN', `${location}-30`) ??
    eiIdentifier(context, containers?.find((sac) => sac.field(2) !== '')?.field(2) ?? '', 'ACSN');
  return found?.identifier;
}

/** SAC: each container with its number, volume and what is in it; without SAC the additives and type of SPM. */
function containersOf(context: Context, group: SpecimenGroup, additives: readonly Element[]): Element[] | undefined {
  const type = conceptOf(context, group.spm.field(27));
  const sacs = group.containers ?? [];
  if (sacs.length === 0) return containers(additives, type);
  const found = sacs.map((sac) => {
    const unit = sac.field(24);
    const [added] = repetitions(sac.field(27), context.by);
    return optional({
      identifier: present([eiIdentifier(context, sac.field(3), '')?.identifier]),
      type,
      capacity: quantityOf(context, sac.field(21), unit),
      specimenQuantity: quantityOf(context, sac.field(22), unit) ?? quantityOf(context, sac.field(23), unit),
      additiveCodeableConcept: conceptOf(context, added, `${V2_TABLE}0371`) ?? additives[0],
    });
  });
  return present(found);
}

/** OBR-15 and its neighbours, of messages before SPM; undefined when OBR tells nothing of a specimen. */
export function obrSpecimen(
  context: Context,
  list: ChangeList,
  obr: Segment,
  frame: SpecimenFrame,
): number | undefined {
  const fasting = fastingStatus(context, obr);
  if (fasting === undefined && [9, 10, 14, 15].every((field) => obr.field(field) === '')) return undefined;
  const [code = '', additive = '', freetext, site = '', modifier = '', condition = ''] = components(
    obr.field(15),
    context.by,
  );
  const coded = (raw: string, table: string): Element | undefined =>
    conceptOf(context, subcomponents(raw, context.by).join(context.by.component), `${V2_TABLE}${table}`);
  const type = coded(code, '0487');
  const received = dateTimeOf(context, obr.field(14), 'OBR-14');
  const quantity = cqQuantity(context, obr.field(9));
  const collector = present(repetitions(obr.field(10), context.by).map((raw) => list.practitioner(context, raw)))[0];
  if ([type, received, quantity, collector, fasting].every((part) => part === undefined)) return undefined;
  const comment = present(repetitions(obr.field(39), context.by).map((raw) => conceptText(conceptOf(context, raw))));
  return list.add({
    type: 'Specimen',
    keys: [['specimen-of', ...frame.key]],
    set: specimen(frame, {
      type,
      receivedTime: received,
      collection: optional({
        collector,
        ...collected(context, obr.field(7), obr.field(8), 'OBR-7'),
        quantity,
        bodySite: coded(site, '0163'),
        fastingStatusCodeableConcept: fasting,
      }),
      container: containers(present([coded(additive, '0371')]), undefined),
      condition: present([coded(condition, '0493')]),
      note: present([textOf(context, freetext), conceptText(coded(modifier, '0542')), ...comment]).map((text) => ({
        text,
      })),
    }),
    append: requestOf(frame),
    whole: [],
  });
}

function specimen(frame: SpecimenFrame, elements: Element): Element & { resourceType: string } {
  const meta = metaOf(frame.marks.all, frame.marks.clinical, frame.orderMarks);
  return {
    resourceType: 'Specimen',
    ...compact({
      meta,
      ...elements,
      subject: { reference: changeReference(frame.patient) },
    }),
  };
}

/** One specimen is taken for several orders: each adds itself. */
function requestOf({ request }: SpecimenFrame): { readonly request?: readonly Element[] } {
  return request === undefined ? {} : { request: [{ reference: changeReference(request) }] };
}

/** EIP: what the placer and what the filler call it, each an EI in subcomponents. */
function pairOf(context: Context, raw: string): Identified[] {
  const [placer = '', filler = ''] = components(raw, context.by);
  return present([eiIdentifier(context, placer, 'PLAC'), eiIdentifier(context, filler, 'FILL')]);
}

/**
 * A number with its assigner is one specimen wherever it comes; a bare one (often `1`) means something only in its order;
 * without a number the place in the message counts.
 */
function keysOf(own: readonly Identified[], frame: SpecimenFrame, position: number): BusinessKey[] {
  if (own.length === 0) return [['specimen-of', ...frame.key, String(position)]];
  const keys = own
    .toReversed()
    .map(({ system, value, identifier }) =>
      identifier.assigner === undefined && !system.startsWith('urn:')
        ? ['specimen-of', ...frame.key, system, value]
        : ['specimen', system, value],
    );
  // Two specimens of one message may share one of two numbers: it names neither then.
  const pair = JSON.stringify(keys);
  const usable = keys.filter((key) => {
    const name = `Specimen ${JSON.stringify(key)}`;
    const first = frame.firsts.get(name) ?? pair;
    frame.firsts.set(name, first);
    return first === pair;
  });
  return usable.length > 0 ? usable : [keys.flat()];
}

function collected(context: Context, start: string | undefined, end: string | undefined, location: string): Element {
  return (firstOf(context, end) ?? '') === ''
    ? { collectedDateTime: dateTimeOf(context, start, location) }
    : { collectedPeriod: periodOf(context, start, end, location) };
}

/** Additives need a container each: R4 has one additive a container. */
function containers(additives: readonly Element[], type: Element | undefined): Element[] | undefined {
  if (additives.length === 0) return type === undefined ? undefined : [{ type }];
  return additives.map((additiveCodeableConcept) => compact({ type, additiveCodeableConcept }));
}

function optional(element: Element): Element | undefined {
  const found = compact(element);
  return Object.keys(found).length === 0 ? undefined : found;
}

function conceptText(concept: Element | undefined): string | undefined {
  if (typeof concept?.text === 'string') return concept.text;
  const [coding] = Array.isArray(concept?.coding) ? concept.coding : [];
  const text: unknown = coding?.display ?? coding?.code;
  return typeof text === 'string' ? text : undefined;
}
