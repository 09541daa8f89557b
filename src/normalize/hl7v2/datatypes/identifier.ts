/** CX, EI and HD to FHIR Identifier (maps CX[Identifier], EI[Identifier-Extension], HD[uri] of the v2-to-FHIR guide). */
import { components, subcomponents } from '../../../formats/hl7v2/delimiters.ts';
import { codeOf, compact, extension, periodOf, present, textOf, type Context, type Element } from '../context.ts';
import { identifierSystem, type Assigner } from '../source-profile.ts';

export const IDENTIFIER_TYPE = 'http://terminology.hl7.org/CodeSystem/v2-0203';
const CHECK_DIGIT = 'http://hl7.org/fhir/StructureDefinition/identifier-checkDigit';
const CHECK_SCHEME = 'http://hl7.org/fhir/StructureDefinition/namingsystem-checkDigit';

/** An identifier with what keys are made of. */
export interface Identified {
  readonly system: string;
  readonly value: string;
  /** Code of table 0203; empty when there is none. */
  readonly type: string;
  readonly identifier: Element;
}

/** HD from raw subcomponents of a component. */
export function assignerOf(context: Context, raw: string | undefined): Assigner {
  if (raw === undefined || raw === '') return {};
  const [namespace, universalId, universalIdType] = subcomponents(raw, context.by);
  return {
    namespace: textOf(context, namespace),
    universalId: textOf(context, universalId),
    universalIdType: textOf(context, universalIdType),
  };
}

/** CX. `defaultType` stands for an empty CX.5; undefined for an empty CX.1. */
export function cxIdentifier(
  context: Context,
  raw: string,
  defaultType: string,
  location: string,
): Identified | undefined {
  const parts = components(raw, context.by);
  const value = textOf(context, parts[0]);
  if (value === undefined) return undefined;
  const assigner = assignerOf(context, parts[3]);
  const type = codeOf(context, parts[4]) ?? defaultType;
  const period = parts.length > 6 ? periodOf(context, parts[6], parts[7], location) : undefined;
  return withCheckDigit(context, identified(context, value, assigner, type, period), parts[1], parts[2]);
}

/** CX.2 and CX.3, XCN.11 and XCN.12: the check digit beside the number, and its scheme. */
export function withCheckDigit(
  context: Context,
  found: Identified,
  digit: string | undefined,
  scheme: string | undefined,
): Identified {
  const text = textOf(context, digit);
  if (text === undefined) return found;
  const kept = present([
    extension(CHECK_DIGIT, 'valueString', text),
    extension(CHECK_SCHEME, 'valueString', textOf(context, scheme)),
  ]);
  return { ...found, identifier: { extension: kept, ...found.identifier } };
}

/** EI, as four components (or the same as subcomponents); `type` is a code of table 0203. */
export function eiIdentifier(context: Context, raw: string, type: string): Identified | undefined {
  if (raw === '') return undefined;
  const parts = raw.includes(context.by.component) ? components(raw, context.by) : subcomponents(raw, context.by);
  const value = textOf(context, parts[0]);
  if (value === undefined) return undefined;
  const assigner = {
    namespace: textOf(context, parts[1]),
    universalId: textOf(context, parts[2]),
    universalIdType: textOf(context, parts[3]),
  };
  return identified(context, value, assigner, type, undefined);
}

/** Joins value, assigner and type. */
export function identified(
  context: Context,
  value: string,
  assigner: Assigner,
  type: string,
  period: Element | undefined,
): Identified {
  const system = identifierSystem(context.profile, assigner, type);
  const display = assigner.namespace;
  return {
    system,
    value,
    type,
    identifier: compact({
      type: type === '' ? undefined : { coding: [{ system: IDENTIFIER_TYPE, code: type }] },
      system,
      value,
      period,
      assigner: display === undefined ? undefined : { display },
    }),
  };
}
