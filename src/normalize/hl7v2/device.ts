/** EI of a device (OBX-18, PRT-10) to Device, which is known by that number (maps OBX[Observation], PRT[Device]). */
import { changeReference } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { ChangeList } from './change-list.ts';
import { compact, dateTimeOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
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

/** Devices of PRT segments: PRT-10, with what PRT-16 to PRT-22 say of each. */
export function devicesOf(context: Context, list: ChangeList, segments: readonly Segment[]): Element[] {
  const devices = segments.map((prt) => {
    const [raw = ''] = repetitions(prt.field(10), context.by);
    const udi = firstOf(context, prt.field(16));
    return deviceOf(context, list, raw || prt.field(16), {
      udiCarrier: udi === undefined ? undefined : [{ deviceIdentifier: udi }],
      manufactureDate: dateTimeOf(context, prt.field(17), 'PRT-17'),
      expirationDate: dateTimeOf(context, prt.field(18), 'PRT-18'),
      lotNumber: textOf(context, prt.field(19)),
      serialNumber: textOf(context, prt.field(20)),
      distinctIdentifier: firstOf(context, prt.field(21)),
      type: conceptOf(context, prt.field(22)),
    });
  });
  return present(devices);
}
