/** SPM, and OBR where there is no SPM, to Specimen (maps SPM[Specimen], OBR[Specimen], SPS[Specimen-Source]). */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, repetitions, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, periodOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { cxIdentifier, eiIdentifier, type Identified } from './datatypes/identifier.ts';
import { cqQuantity } from './datatypes/quantity.ts';
import { notesOf } from './observation.ts';
import type { SpecimenGroup } from './order-group.ts';
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
  const description = present(repetitions(spm.field(14), by).map((raw) => textOf(context, raw)));
  const [start, end] = components(spm.field(17), by);
  return list.add({
    type: 'Specimen',
    keys: keysOf(own, frame, group.number),
    set: specimen(frame, {
      type: conceptOf(context, spm.field(4), `${V2_TABLE}0487`),
      status: AVAILABILITY[firstOf(context, spm.field(20)) ?? ''],
      accessionIdentifier: cxIdentifier(context, repetitions(spm.field(30), by)[0] ?? '', 'ACSN', `${location}-30`)
        ?.identifier,
      parent,
      receivedTime: dateTimeOf(context, spm.field(18), `${location}-18`),
      collection: optional({
        ...collected(context, start, end, `${location}-17`),
        method: concepts(7, '0488')[0],
        bodySite: concepts(8, '0163')[0],
        quantity: cqQuantity(context, spm.field(12)),
      }),
      container: containers(concepts(6, '0371'), conceptOf(context, spm.field(27))),
      condition: concepts(24, '0493'),
      note: [...description.map((text) => ({ text })), ...(notesOf(context, group.notes, list) ?? [])],
    }),
    append: { identifier: [...own, ...others].map(({ identifier }) => identifier) },
    whole: [],
  });
}

/** OBR-15 and its neighbours, of messages before SPM; undefined when OBR tells nothing of a specimen. */
export function obrSpecimen(
  context: Context,
  list: ChangeList,
  obr: Segment,
  frame: SpecimenFrame,
): number | undefined {
  if ([9, 10, 14, 15].every((field) => obr.field(field) === '')) return undefined;
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
  if ([type, received, quantity, collector].every((part) => part === undefined)) return undefined;
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
      }),
      container: containers(present([coded(additive, '0371')]), undefined),
      condition: present([coded(condition, '0493')]),
      note: present([textOf(context, freetext), conceptText(coded(modifier, '0542')), ...comment]).map((text) => ({
        text,
      })),
    }),
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
      request: frame.request === undefined ? undefined : [{ reference: changeReference(frame.request) }],
    }),
  };
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
