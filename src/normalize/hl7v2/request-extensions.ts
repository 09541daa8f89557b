/**
 * What ORC and OBR say of a request beyond the elements of ServiceRequest (maps ORC[ServiceRequest], OBR[ServiceRequest]): why its status
 * is what it is, whom to call back, and what whoever carries it out should know.
 */
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { extension, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf } from './datatypes/codeable-concept.ts';
import { xtnContactPoint } from './datatypes/contact-point.ts';
import type { OrderGroup } from './order-group.ts';

const STATUS_REASON = 'http://hl7.org/fhir/StructureDefinition/request-statusReason';
const CALLBACK = 'http://hl7.org/fhir/StructureDefinition/servicerequest-order-callback-phone-number';
const SUPPORTING_INFO = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ServiceRequest.supportingInfo';

/** Extensions of a ServiceRequest. `stated`: the message is about the order, not about its results, and ORC-16 about its status. */
export function requestExtensions(context: Context, { orc, obr }: OrderGroup, stated: boolean): Element[] {
  const isReason = stated && firstOf(context, orc?.field(5)) === undefined;
  const why = isReason ? conceptOf(context, orc?.field(16)) : undefined;
  const [field, callback] =
    (obr?.field(17) ?? '') === '' ? ['ORC-14', orc?.field(14) ?? ''] : ['OBR-17', obr?.field(17) ?? ''];
  const numbers = repetitions(callback, context.by).map((raw) => xtnContactPoint(context, raw, undefined, field));
  return present([
    extension(STATUS_REASON, 'valueCodeableConcept', why),
    ...numbers.map((number) => extension(CALLBACK, 'valueContactPoint', number)),
    ...clinicalInformation(context, obr),
  ]);
}

/** OBR-13 but for fasting, which is of the specimen. R4 has no CodeableReference: its parts are extensions of their own. */
function clinicalInformation(context: Context, obr: Segment | undefined): Element[] {
  const raw = obr?.field(13) ?? '';
  if (raw === '') return [];
  return present(
    repetitions(raw, context.by).map((each) => (isFasting(context, each) ? undefined : conceptOf(context, each))),
  ).map((concept) => ({
    url: SUPPORTING_INFO,
    extension: [
      { url: '_datatype', valueString: 'CodeableReference' },
      { url: 'concept', valueCodeableConcept: concept },
    ],
  }));
}

/** OBR-13 that says whether the patient was fasting (table 0916), as a concept. Undefined for anything else. */
export function fastingStatus(context: Context, obr: Segment | undefined): Element | undefined {
  const raw = obr?.field(13) ?? '';
  if (raw === '') return undefined;
  const found = repetitions(raw, context.by).find((each) => isFasting(context, each));
  return found === undefined ? undefined : conceptOf(context, found);
}

function isFasting(context: Context, raw: string): boolean {
  const [, , system] = components(raw, context.by);
  return textOf(context, system) === 'HL70916';
}
