/** Numbers that are only unique where they were given: a number whose assigner is not said is one of the sending facility (MSH-4). */
import type { BusinessKey } from '../../formats/fhir/change.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { textOf, type Context } from './context.ts';
import type { Identified } from './datatypes/identifier.ts';
import { identifierKey } from './source-profile.ts';

/** Key of a numbered thing; `kind` keeps numbers of different things apart. */
export function facilityKey(context: Context, kind: string, { system, value, identifier }: Identified): BusinessKey {
  return identifier.assigner === undefined && system.startsWith(context.profile.assigner)
    ? [kind, sendingFacility(context), system, value]
    : identifierKey(system, value);
}

/** MSH-4: universal id, else namespace, else empty. */
export function sendingFacility(context: Context): string {
  const facility = components(context.message.msh.field(4), context.by);
  return textOf(context, facility[1]) ?? textOf(context, facility[0]) ?? '';
}
