/** MDM_T01 and MDM_T02, documents: TXA and OBX to DocumentReference (maps TXA[DocumentReference], OBX[DocumentReference]). */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import { claimedOf, type Claimed, type ClaimRule } from './claim.ts';
import { compact, dateTimeOf, firstOf, textOf, type Context, type Element } from './context.ts';
import { edAttachment, rpAttachment } from './datatypes/attachment.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { notesOf } from './observation.ts';
import { orderKey, orderNumbers, positionOf } from './order-numbers.ts';
import { repeatedPatient, type RepeatedPatient } from './repeated-patient.ts';
import { codedMarks, metaOf } from './security.ts';
import { requestChange } from './service-request.ts';
import type { Conversion, Structure } from './structure.ts';
import { documentContext, documentParts, NO_CONTENT } from './txa.ts';
import { visitObservations } from './visit-observations.ts';

const RULES: Readonly<Record<string, ClaimRule>> = codeTable({ TXA: {}, OBX: { notes: true } });
const TEXTS = new Set(['FT', 'ST', 'TX']);

/** The structure of an event. Throws `required-missing` without PID or TXA. */
export function mdm(event: string): Structure {
  return (conversion) => {
    const repeated = repeatedPatient(conversion, RULES);
    const requests = requestChanges(conversion, repeated);
    const observations = observationChanges(conversion, repeated);
    documentChange(repeated, event, [...requests, ...observations]);
  };
}

function documentChange({ claims, frame }: RepeatedPatient, event: string, related: readonly number[]): void {
  const { context, list } = frame;
  const [head] = claimedOf(claims, 'TXA');
  if (head === undefined)
    throw new GatewayError('required-missing', 'the message has no TXA segment', { expression: 'TXA' });
  const txa = head.segment;
  const { keys, identifiers, elements, meta, status } = documentParts(frame, txa, event);
  const obx = claimedOf(claims, 'OBX');
  const marks = metaOf(meta?.security ?? [], ...obx.map(({ segment }) => codedMarks(context, segment.field(13))));
  const content = contentOf(context, obx, {
    creation: dateTimeOf(context, txa.field(6), 'TXA-6'),
    title: textOf(context, repetitions(txa.field(25), context.by)[0]),
  });
  list.add({
    type: 'DocumentReference',
    keys,
    set: {
      resourceType: 'DocumentReference',
      ...(marks && { meta: marks }),
      ...elements,
      ...compact({ status, content, context: documentContext(frame, related) }),
    },
    keepIf: { status: event === 'T11' ? [] : ['superseded', 'entered-in-error'] },
    append: { identifier: identifiers },
    initial: { status: 'current', content: [NO_CONTENT] },
  });
}

interface Described {
  readonly creation: string | undefined;
  readonly title: string | undefined;
}

/**
 * One content for each document (ED, RP), and one for all lines of text, since senders write a letter as a hundred OBX. FT is
 * plain text once its formatting is read.
 */
function contentOf(context: Context, obx: readonly Claimed[], { creation, title }: Described): Element[] {
  const content: Element[] = [];
  const lines: string[] = [];
  for (const { segment, number, notes } of obx) {
    const type = firstOf(context, segment.field(2)) ?? '';
    const location = `OBX[${number}]-5`;
    const name = conceptOf(context, segment.field(3));
    if (TEXTS.has(type)) {
      lines.push(...repetitions(segment.field(5), context.by).map((raw) => textOf(context, raw) ?? ''));
    } else if (type === 'ED' || type === 'RP') {
      for (const raw of repetitions(segment.field(5), context.by)) {
        const parts = components(raw, context.by);
        const attachment = type === 'ED' ? edAttachment(context, parts, location) : rpAttachment(context, parts);
        if (attachment !== undefined)
          content.push({ attachment: compact({ title: title ?? displayOf(name), creation, ...attachment }) });
      }
    }
    // Notes of a value that became an Observation are there.
    if (isContent(type)) for (const { text } of notesOf(context, notes) ?? []) lines.push(String(text));
  }
  const text = lines.join('\n').trim();
  if (text !== '')
    content.unshift({
      attachment: compact({
        title,
        creation,
        contentType: 'text/plain; charset=utf-8',
        data: Buffer.from(text).toString('base64'),
      }),
    });
  return content;
}

function displayOf(concept: Element | undefined): unknown {
  const [coding] = Array.isArray(concept?.coding) ? (concept.coding as Element[]) : [];
  return coding?.display ?? concept?.text;
}

function isContent(type: string): boolean {
  return TEXTS.has(type) || type === 'ED' || type === 'RP';
}

/** OBX that are no text and no document: what was observed, beside the document. */
function observationChanges({ context, list }: Conversion, { claims, orders }: RepeatedPatient): number[] {
  const values = claimedOf(claims, 'OBX').filter(
    ({ segment }) => !isContent(firstOf(context, segment.field(2)) ?? '') && segment.field(5) !== '',
  );
  const groups = values.map(({ segment, notes, number }) => ({ obx: segment, continued: [], notes, number }));
  return visitObservations(context, list, groups, { ...orders, index: orders.patient.index });
}

/** ORC and OBR: the orders that the document belongs to. They are only filled in. */
function requestChanges({ context, list }: Conversion, { group, orders }: RepeatedPatient): number[] {
  return group.orders.flatMap((order) => {
    const numbers = orderNumbers(context, order.orc, order.obr);
    // A document names its order mostly without saying anything of it.
    if (numbers.all.length === 0 && order.obr?.field(4) === undefined) return [];
    return requestChange(context, list, order, orders, {
      numbers,
      code: conceptOf(context, order.obr?.field(4)),
      done: undefined,
      key: orderKey(context, numbers, positionOf(group.orders, order)),
      orderMarks: codedMarks(context, order.orc?.field(28) ?? ''),
      stated: false,
    });
  });
}
