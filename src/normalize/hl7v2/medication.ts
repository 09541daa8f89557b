/**
 * What RXO, RXE, RXD and RXA say of the product: a code where that is all, else a contained Medication with form, strength,
 * lot and the components of RXC.
 */
import { GatewayError } from '../../core/errors.ts';
import { components } from '../../formats/hl7v2/delimiters.ts';
import { parseNm } from '../../formats/hl7v2/numeric.ts';
import { parseDtm, toFhirDateTime } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { compact, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { codingsOf, conceptOf } from './datatypes/codeable-concept.ts';
import { quantityOf, unitOf } from './datatypes/quantity.ts';

/** Raw fields of a product; empty where the segment has none. */
export interface ProductFields {
  readonly code: string;
  readonly form?: string;
  readonly strength?: string;
  readonly strengthUnit?: string;
  readonly volume?: string;
  readonly volumeUnit?: string;
  readonly lot?: string;
  readonly expiration?: string;
  readonly manufacturer?: string;
  /** RXC segments. */
  readonly components?: readonly Segment[] | undefined;
  /** Place of the code, for errors: `RXE-2`. */
  readonly location: string;
}

/** `medicationCodeableConcept`, or `medicationReference` with `contained`. Throws `required-missing` without a code. */
export function productOf(context: Context, fields: ProductFields): Element {
  const code = conceptOf(context, fields.code) ?? compoundOf(context, fields);
  if (code === undefined)
    throw new GatewayError('required-missing', `${fields.location}, the medication, is required`, {
      expression: fields.location,
    });
  const batch = batchOf(context, fields);
  const medication = compact({
    manufacturer: manufacturerOf(context, fields.manufacturer ?? ''),
    form: conceptOf(context, fields.form),
    ingredient: ingredients(context, fields, code),
    batch: Object.keys(batch).length === 0 ? undefined : batch,
  });
  if (Object.keys(medication).length === 0) return { medicationCodeableConcept: code };
  return {
    contained: [{ resourceType: 'Medication', id: 'medication', code, ...medication }],
    medicationReference: compact({ reference: '#medication', display: textOfConcept(code) }),
  };
}

/** A compound without a name of its own is called by its components: `Saline + KCl`. */
function compoundOf(context: Context, { components: parts }: ProductFields): Element | undefined {
  const names = present((parts ?? []).map((rxc) => textOfConcept(conceptOf(context, rxc.field(2)) ?? {})));
  return names.length === 0 ? undefined : { text: names.join(' + ') };
}

/** A manufacturer (MVX and other codes name organisations) as a reference by its code, else by name. */
export function manufacturerOf(context: Context, raw: string): Element | undefined {
  const [coding] = codingsOf(context, raw);
  if (coding === undefined) {
    const display = textOf(context, components(raw, context.by)[1]);
    return display === undefined ? undefined : { display };
  }
  return compact({ identifier: compact({ system: coding.system, value: coding.code }), display: coding.display });
}

/** The code alone, for messages that only repeat what was ordered. Throws `required-missing` without one. */
export function productCode(context: Context, raw: string): Element {
  return productOf(context, { code: raw, location: 'RXE-2' });
}

function batchOf(context: Context, fields: ProductFields): Element {
  const expires = parseDtm(firstOf(context, fields.expiration) ?? '');
  return compact({
    lotNumber: firstOf(context, fields.lot),
    expirationDate: expires === undefined ? undefined : toFhirDateTime(expires, context.zone),
  });
}

/** The strength of the product itself, and its components. */
function ingredients(context: Context, fields: ProductFields, code: Element): Element[] {
  const strength = strengthOf(context, fields);
  const parts = (fields.components ?? []).flatMap((rxc) => {
    const item = conceptOf(context, rxc.field(2));
    if (item === undefined) return [];
    const amount = quantityOf(context, rxc.field(3), rxc.field(4));
    return [
      compact({
        itemCodeableConcept: item,
        // Table 0166: A is an additive, B the base.
        isActive: firstOf(context, rxc.field(1)) === 'B' ? undefined : true,
        strength: amount === undefined ? undefined : { numerator: amount, denominator: { value: 1 } },
      }),
    ];
  });
  return [...present([strength === undefined ? undefined : { itemCodeableConcept: code, strength }]), ...parts];
}

function strengthOf(context: Context, fields: ProductFields): Element | undefined {
  const numerator = quantityOf(context, fields.strength ?? '', fields.strengthUnit ?? '');
  if (numerator === undefined) return undefined;
  const volume = parseNm(textOf(context, fields.volume) ?? '');
  const unit = unitOf(context, fields.volumeUnit ?? '');
  return { numerator, denominator: { value: volume ?? 1, ...(volume === undefined ? {} : unit) } };
}

function textOfConcept(code: Element): string | undefined {
  const [coding] = Array.isArray(code.coding) ? code.coding : [];
  const text: unknown = code.text ?? coding?.display;
  return typeof text === 'string' ? text : undefined;
}
