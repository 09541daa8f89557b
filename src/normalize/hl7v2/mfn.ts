/**
 * MFN_M02 and MFN_M05, master files: staff to Practitioner and PractitionerRole, places to Location. No patient in them: they
 * are of the directory. The guide has no maps for them: ours.
 */
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { claimSegments, type Claimed, type ClaimRule } from './claim.ts';
import { codeOf, compact, firstOf, isDeleted, present, textOf, type Context, type Element } from './context.ts';
import { xadAddress } from './datatypes/address.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import { xpnName } from './datatypes/human-name.ts';
import { cxIdentifier, identified, type Identified } from './datatypes/identifier.ts';
import { sendingFacility } from './facility-key.ts';
import { physicalTypeOf, placeKey } from './location.ts';
import { placeOf } from './place.ts';
import { identifierKey } from './source-profile.ts';
import { countUnmapped, type Conversion } from './structure.ts';
import { GENDER } from './tables.ts';

/** MFE-1, table 0180: what became of the entry. */
const ACTIVE: Readonly<Record<string, boolean>> = codeTable({
  MAD: true,
  MUP: true,
  MAC: true,
  MDC: false,
  MDL: false,
});
/** STF-7, table 0183. */
const STAFF_ACTIVE: Readonly<Record<string, boolean>> = codeTable({ A: true, I: false });
const READ_ELSEWHERE = new Set(['MSH', 'MFI', 'EVN', 'SFT', 'MFE']);

/** MFN_M02, staff. Throws `required-missing` without STF. */
export function mfnM02(conversion: Conversion): void {
  eachEntry(conversion, 'STF', ['PRA'], (entry, active) => {
    staffChange(conversion, entry, active);
  });
}

/** MFN_M05, places. Throws `required-missing` without LOC. */
export function mfnM05(conversion: Conversion): void {
  eachEntry(conversion, 'LOC', [], (entry, active) => {
    locationChange(conversion, entry, active);
  });
}

/** Each entry of the file with what its MFE says of it. */
function eachEntry(
  conversion: Conversion,
  id: string,
  below: readonly string[],
  convert: (entry: Claimed, active: boolean | undefined) => void,
): void {
  const rules: Readonly<Record<string, ClaimRule>> = { MFE: {}, [id]: { below } };
  const { all, rest } = claimSegments(conversion, rules);
  let active: boolean | undefined;
  let count = 0;
  for (const entry of all) {
    if (entry.segment.id === 'MFE') active = ACTIVE[firstOf(conversion.context, entry.segment.field(1)) ?? ''];
    else {
      count++;
      convert(entry, active);
    }
  }
  if (count === 0) throw new GatewayError('required-missing', `the message has no ${id} segment`, { expression: id });
  for (const segment of rest)
    if (!READ_ELSEWHERE.has(segment.id) && segment.text.trim() !== '') countUnmapped(conversion.unmapped, segment.id);
}

function staffChange(
  { context, list }: Conversion,
  { segment: stf, number, below }: Claimed,
  active: boolean | undefined,
): void {
  const location = `STF[${number}]`;
  const pra = below[0];
  const identifiers = staffIdentifiers(context, stf, pra, location);
  if (identifiers.length === 0) {
    context.omissions.push({ location: `${location}-2`, reason: 'no-code' });
    return;
  }
  const stated = STAFF_ACTIVE[firstOf(context, stf.field(7)) ?? ''];
  const each = (n: number): readonly string[] => repetitions(stf.field(n), context.by);
  const practitioner = list.add({
    type: 'Practitioner',
    keys: identifiers.map(({ system, value }) => identifierKey(system, value)),
    set: {
      resourceType: 'Practitioner',
      ...compact({
        active: active === false ? false : (stated ?? active),
        name: present(each(3).map((raw) => xpnName(context, raw, `${location}-3`))),
        gender: GENDER[firstOf(context, stf.field(5)) ?? ''],
        telecom: present([
          ...each(10).map((raw) => xtnContactPoint(context, raw, 'work', `${location}-10`)),
          ...each(15).map((raw) => emailOf(context, raw)),
        ]),
        address: present(each(11).map((raw) => xadAddress(context, raw, `${location}-11`))),
      }),
    },
    append: { identifier: identifiers.map(({ identifier }) => identifier) },
    clear: isDeleted(stf.field(10)) ? ['telecom'] : [],
  });
  const specialty = repetitions(pra?.field(5) ?? '', context.by).map((raw) =>
    conceptOf(context, raw.split(context.by.component)[0], `${V2_TABLE}0265`),
  );
  const code = repetitions(pra?.field(3) ?? '', context.by).map((raw) => conceptOf(context, raw, `${V2_TABLE}0186`));
  if (present([...specialty, ...code]).length === 0) return;
  list.add({
    type: 'PractitionerRole',
    keys: [['role-at', sendingFacility(context), identifiers[0].system, identifiers[0].value]],
    set: {
      resourceType: 'PractitionerRole',
      ...compact({
        active: active === false ? false : (stated ?? active),
        practitioner: { reference: changeReference(practitioner) },
        code: present(code),
        specialty: present(specialty),
      }),
    },
  });
}

/** STF-2, else STF-1, as XCN in other messages would name them; PRA-6 for licences and registries. */
function staffIdentifiers(context: Context, stf: Segment, pra: Segment | undefined, location: string): Identified[] {
  const listed = present(
    repetitions(stf.field(2), context.by).map((raw) => cxIdentifier(context, raw, 'PRN', `${location}-2`)),
  );
  const key = textOf(context, components(stf.field(1), context.by)[0]);
  const own = listed.length > 0 || key === undefined ? listed : [identified(context, key, {}, 'PRN', undefined)];
  const licences = repetitions(pra?.field(6) ?? '', context.by).flatMap((raw) => {
    const [number, type] = components(raw, context.by);
    const value = textOf(context, number);
    return value === undefined ? [] : [identified(context, value, {}, codeOf(context, type) ?? 'LN', undefined)];
  });
  return [...own, ...licences];
}

function emailOf(context: Context, raw: string): Element | undefined {
  const value = firstOf(context, raw);
  return value === undefined || !value.includes('@') ? undefined : { system: 'email', value, use: 'work' };
}

function locationChange(
  { context, list }: Conversion,
  { segment: loc, number }: Claimed,
  active: boolean | undefined,
): void {
  const raw = loc.field(1);
  const place = placeOf(context, raw);
  if (place === undefined) {
    context.omissions.push({ location: `LOC[${number}]-1`, reason: 'no-name' });
    return;
  }
  const each = (n: number): readonly string[] => repetitions(loc.field(n), context.by);
  list.add({
    type: 'Location',
    keys: [placeKey(context, raw)],
    set: {
      resourceType: 'Location',
      ...compact({
        status: active === undefined ? undefined : active ? 'active' : 'inactive',
        name: textOf(context, loc.field(2)) ?? place.display,
        mode: 'instance',
        type: present(each(3).map((text) => conceptOf(context, text, `${V2_TABLE}0260`))),
        telecom: present(each(6).map((text) => xtnContactPoint(context, text, 'work', `LOC[${number}]-6`))),
        address: present(each(5).map((text) => xadAddress(context, text, `LOC[${number}]-5`)))[0],
        physicalType: physicalTypeOf(context, raw),
        managingOrganization: list.organization(context, each(4)[0] ?? ''),
      }),
    },
    append: { identifier: place.identifier === undefined ? [] : [place.identifier] },
  });
}
