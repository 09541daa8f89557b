/**
 * Who did what a message tells, when, where and why: EVN, PID-33 and PID-34, SCH-20, and ORC where all orders of the message agree (maps
 * EVN[Provenance], PID[Provenance-Patient], SCH[Provenance], ORC[Provenance]). Kept with the message, so that its Provenance can be rendered; nothing of the patient is in it.
 */
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { codeOf, compact, dateTimeOf, textOf, type Context } from './context.ts';
import { codeSystemOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { assignerOf, identified } from './datatypes/identifier.ts';
import { nameText, xcnName } from './datatypes/human-name.ts';
import { EVENT_REASON } from './vocabulary.ts';

/** A person by number; `name` alone where the message gives no number. */
export interface OperatorName {
  readonly system?: string;
  readonly value?: string;
  readonly name?: string;
}

export interface EventDetails {
  /** EVN-6, when it happened; else ORC-9, when the order was; else PID-33, when the patient's data was last changed. FHIR dateTime. */
  readonly eventTime?: string;
  /** EVN-4, by the guide's map where it has the code. */
  readonly eventReason?: { readonly system: string; readonly code: string };
  /** EVN-5, else SCH-20, else ORC-10. */
  readonly operator?: OperatorName;
  /** ORC-11. */
  readonly verifier?: OperatorName;
  /** ORC-19. */
  readonly actor?: OperatorName;
}

/** Reads them from the segments of the header, the first PID and the first SCH. */
export function eventDetails(context: Context): EventDetails {
  const { segments, msh } = context.message;
  const first = (id: string): Segment | undefined => segments.find((segment) => segment.id === id);
  const [evn, pid, sch] = [first('EVN'), first('PID'), first('SCH')];
  const ordered = ofAllOrders(context);
  // Beside a result PID-33 says nothing of what the message tells.
  const updated = codeOf(context, components(msh.field(9), context.by)[0]) === 'ADT' ? pid?.field(33) : undefined;
  return compact({
    eventTime:
      dateTimeOf(context, evn?.field(6), 'EVN-6') ??
      dateTimeOf(context, ordered(9), 'ORC-9') ??
      dateTimeOf(context, updated, 'PID-33'),
    eventReason: reasonOf(context, evn?.field(4) ?? ''),
    operator:
      operatorOf(context, evn?.field(5) ?? '') ??
      operatorOf(context, sch?.field(20) ?? '') ??
      operatorOf(context, ordered(10)),
    verifier: operatorOf(context, ordered(11)),
    actor: operatorOf(context, ordered(19)),
  });
}

/** Messages that are about their orders; in others ORC repeats who ordered, long ago, what is now reported. */
const ORDERING = new Set(['ORM', 'OML', 'OMG', 'OMI', 'OMP', 'RDE']);

/** A field of ORC that is the same in all of them; else empty: the message has one Provenance. */
function ofAllOrders(context: Context): (field: number) => string {
  const { msh, segments } = context.message;
  const isOrdering = ORDERING.has(codeOf(context, components(msh.field(9), context.by)[0]) ?? '');
  const orders = isOrdering ? segments.filter(({ id }) => id === 'ORC') : [];
  return (field) => {
    const raw = orders[0]?.field(field) ?? '';
    return raw !== '' && orders.every((orc) => orc.field(field) === raw) ? raw : '';
  };
}

function reasonOf(context: Context, raw: string): EventDetails['eventReason'] {
  const parts = components(raw, context.by);
  const code = codeOf(context, parts[0]);
  if (code === undefined) return undefined;
  const name = codeOf(context, parts[2]);
  const system = name === undefined ? `${V2_TABLE}0062` : codeSystemOf(context, name);
  const mapped = system === `${V2_TABLE}0062` ? EVENT_REASON[code] : undefined;
  return mapped === undefined ? { system, code } : { system: String(mapped.system), code: String(mapped.code) };
}

/** The first repetition of an XCN. */
function operatorOf(context: Context, raw: string): OperatorName | undefined {
  const parts = components(repetitions(raw, context.by)[0] ?? '', context.by);
  const value = textOf(context, parts[0]);
  const name = nameText(xcnName(context, parts));
  if (value === undefined) return name === undefined ? undefined : { name };
  const { system } = identified(
    context,
    value,
    assignerOf(context, parts[8]),
    codeOf(context, parts[12]) ?? 'PRN',
    undefined,
  );
  return name === undefined ? { system, value } : { system, value, name };
}
