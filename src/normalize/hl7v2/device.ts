/** EI of a device (OBX-18, PRT-10) to Device, which is known by that number (maps OBX[Observation], PRT[Device]). */
import { changeReference } from '../../formats/fhir/change.ts';
import type { ChangeList } from './change-list.ts';
import { compact, type Context, type Element } from './context.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { facilityKey } from './facility-key.ts';

/** A reference to the Device; undefined for an empty EI. `elements`: what else the message says of it. */
export function deviceOf(context: Context, list: ChangeList, raw: string, elements: Element = {}): Element | undefined {
  const found = eiIdentifier(context, raw, '');
  if (found === undefined) return undefined;
  const index = list.shared('Device', facilityKey(context, 'device', found), {
    identifier: [found.identifier],
    ...elements,
  });
  return compact({ reference: changeReference(index), display: found.value });
}
