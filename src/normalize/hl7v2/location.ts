/**
 * PL to Locations (map PL[Location]): one for each level that it names (bed, room, floor, point of care, building, facility), each
 * part of the next. Made of messages that state a visit or book a place; others name it by text (`place.ts`).
 */
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { components, subcomponents } from '../../formats/hl7v2/delimiters.ts';
import type { ChangeList } from './change-list.ts';
import { compact, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { V2_TABLE } from './datatypes/codeable-concept.ts';
import { assignerOf, eiIdentifier } from './datatypes/identifier.ts';
import { sendingFacility } from './facility-key.ts';
import { placeOf } from './place.ts';
import { universalSystem } from './source-profile.ts';

const PHYSICAL_TYPE = 'http://terminology.hl7.org/CodeSystem/location-physical-type';

/** PL components from the bed up, with their location-physical-type. Ours: a point of care is a ward. */
const LEVELS: readonly (readonly [component: number, type: string])[] = [
  [3, 'bd'],
  [2, 'ro'],
  [8, 'lvl'],
  [1, 'wa'],
  [7, 'bu'],
  [4, 'si'],
];

/** Code of location-physical-type of the finest level that a PL names; undefined for an empty one. */
export function physicalTypeOf(context: Context, raw: string): Element | undefined {
  const parts = components(raw, context.by);
  const level = LEVELS.find(([component]) => partOf(context, parts, component) !== '');
  return level === undefined ? undefined : { coding: [{ system: PHYSICAL_TYPE, code: level[1] }] };
}

/** Key of the place that a PL names: its parts, inside the facility of PL.4, else that of MSH-4. */
export function placeKey(context: Context, raw: string): BusinessKey {
  return keyOf(context, components(raw, context.by), 0);
}

/**
 * A reference to the finest level; undefined for an empty or deleted PL. `bedStatus`: raw PV1-40 or NPU-2, what the message states
 * of that level; everything else of places is only filled in.
 */
export function locationOf(context: Context, list: ChangeList, raw: string, bedStatus = ''): Element | undefined {
  const place = placeOf(context, raw);
  if (place === undefined) return undefined;
  const parts = components(raw, context.by);
  const named = LEVELS.flatMap((level, i) => (partOf(context, parts, level[0]) === '' ? [] : [i]));
  if (named.length === 0) return place;
  let index: number | undefined;
  // From the facility down, so that each finds what it is part of.
  for (const i of named.toReversed()) {
    const isFinest = i === named[0];
    index = levelOf(context, list, parts, i, index, isFinest ? finestOf(context, parts) : {});
  }
  const status = firstOf(context, bedStatus);
  if (status !== undefined && index !== undefined)
    list.setOn(index, { operationalStatus: { system: `${V2_TABLE}0116`, code: status } });
  return index === undefined ? place : compact({ reference: changeReference(index), display: place.display });
}

/** What only the finest level is told: its comprehensive identifier (PL.10), its description (PL.9). */
function finestOf(context: Context, parts: readonly string[]): Element {
  const identifier = eiIdentifier(context, parts[9] ?? '', '')?.identifier;
  return { identifier: present([identifier]), description: textOf(context, parts[8]) };
}

function levelOf(
  context: Context,
  list: ChangeList,
  parts: readonly string[],
  level: number,
  above: number | undefined,
  { identifier = [], ...finest }: Element,
): number {
  const [component, type] = LEVELS[level];
  const { namespace, universalId, universalIdType } = assignerOf(context, parts[component - 1]);
  const uri = universalId === undefined ? undefined : universalSystem(universalId, universalIdType);
  return list.shared('Location', keyOf(context, parts, level), {
    identifier: [
      ...present([
        namespace === undefined ? undefined : { value: namespace },
        universalId === undefined
          ? undefined
          : compact({ system: uri && 'urn:ietf:rfc:3986', value: uri ?? universalId }),
      ]),
      ...(Array.isArray(identifier) ? identifier : []),
    ],
    name: namespace ?? universalId,
    mode: 'instance',
    physicalType: { coding: [{ system: PHYSICAL_TYPE, code: type }] },
    partOf: above === undefined ? undefined : { reference: changeReference(above) },
    ...finest,
  });
}

/** The parts of a PL at a level and above it; what is finer is left empty. */
function keyOf(context: Context, parts: readonly string[], level: number): BusinessKey {
  const kept = LEVELS.slice(0, -1).map(([component], i) => (i < level ? '' : partOf(context, parts, component)));
  return ['place', partOf(context, parts, 4) || sendingFacility(context), ...kept];
}

/** HD of a component: its universal id, else its namespace; empty without both. */
function partOf(context: Context, parts: readonly string[], component: number): string {
  const [namespace, id] = subcomponents(parts[component - 1] ?? '', context.by);
  return textOf(context, id) ?? textOf(context, namespace) ?? '';
}
