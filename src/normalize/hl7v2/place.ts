/** PL to a reference by text and, where PL.10 gives one, identifier: what a message says that is no directory of places. */
import { components, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import { compact, isDeleted, textOf, type Context, type Element } from './context.ts';
import { eiIdentifier } from './datatypes/identifier.ts';

/** Undefined for an empty or deleted PL. */
export function placeOf(context: Context, raw: string): Element | undefined {
  if (raw === '' || isDeleted(raw)) return undefined;
  const parts = components(raw, context.by).map((part) => textOf(context, subcomponents(part, context.by)[0]));
  const [pointOfCare, room, bed, facility] = parts;
  const building = parts[6];
  const floor = parts[7];
  const spot = [pointOfCare, room, bed].filter((part) => part !== undefined).join(' ');
  const display = [spot === '' ? undefined : spot, floor, building, facility, parts[8]]
    .filter((part) => part !== undefined)
    .join(', ');
  const identifier = eiIdentifier(context, components(raw, context.by)[9] ?? '', '')?.identifier;
  return display === '' && identifier === undefined
    ? undefined
    : compact({ identifier, display: display === '' ? undefined : display });
}
