/** TXA to DocumentReference (map TXA[DocumentReference]). What the document says comes from OBX (`mdm-t02.ts`). */
import { codeTable } from '../../core/code-table.ts';
import { changeReference, type BusinessKey } from '../../formats/fhir/change.ts';
import { repetitions } from '../../formats/hl7v2/delimiters.ts';
import { toFhirInstant } from '../../formats/hl7v2/dtm.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import { encounterOf, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { codeOf, compact, dtmOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier, type Identified } from './datatypes/identifier.ts';
import { metaOf } from './security.ts';

const CONFIDENTIALITY = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';
const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const ALTERNATE_CODES = 'http://hl7.org/fhir/StructureDefinition/alternate-codes';
const ABSENT = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/** Table 0271 to docStatus. Ours: the guide names the field but no codes. */
const DOC_STATUS: Readonly<Record<string, string>> = codeTable({
  AU: 'final',
  DI: 'preliminary',
  DO: 'preliminary',
  IN: 'preliminary',
  IP: 'preliminary',
  LA: 'final',
  PA: 'preliminary',
});
/** Table 0273 to status. Ours: the guide says `current` for AV only; CA is deleted, OB replaced. UN stays current, beside its code. */
const AVAILABILITY: Readonly<Record<string, string>> = codeTable({
  AV: 'current',
  CA: 'entered-in-error',
  OB: 'superseded',
  UN: 'current',
});
/** Table 0272, and the sensitivity codes that the guide adds to it. */
const CONFIDENTIALITY_CODES = new Set(['R', 'V']);
const SENSITIVITY_CODES = new Set(['ETH', 'PSY', 'STD']);

/** How a document stands to the one of TXA-13. T10 and T09 replace it, T05 and T06 add to it. */
const RELATIONS: Readonly<Record<string, string>> = codeTable({
  T05: 'appends',
  T06: 'appends',
  T09: 'replaces',
  T10: 'replaces',
});

/** Content where a message has none (T01, T03 ...): R4 wants one. */
export const NO_CONTENT: Element = { attachment: { extension: [{ url: ABSENT, valueCode: 'unknown' }] } };

/** What TXA says, and what is only said where nothing is known yet. */
export interface DocumentParts {
  readonly keys: readonly BusinessKey[];
  readonly identifiers: readonly Element[];
  readonly elements: Element;
  readonly meta: ReturnType<typeof metaOf>;
  readonly status: string | undefined;
}

/** Reads TXA. A document is known by TXA-12 within the patient's record; without it, by the message. */
export function documentParts(frame: ClinicalFrame, txa: Segment, event: string): DocumentParts {
  const { context, list } = frame;
  const number = eiIdentifier(context, txa.field(12), '');
  const fileName = textOf(context, txa.field(16));
  const availability = codeOf(context, txa.field(19));
  const status = event === 'T11' ? 'entered-in-error' : AVAILABILITY[availability ?? ''];
  const marks = confidentiality(context, txa.field(18));
  const originated = dtmOf(context, txa.field(6), 'TXA-6') ?? dtmOf(context, txa.field(4), 'TXA-4');
  const people = (field: number): Element[] =>
    present(repetitions(txa.field(field), context.by).map((raw) => list.practitioner(context, raw)));
  const type = conceptOf(context, txa.field(2), `${V2_TABLE}0270`);
  return {
    keys: [
      number === undefined
        ? ['message', context.profile.name, context.controlId, 'DocumentReference']
        : documentKey(frame, number),
    ],
    identifiers: fileName === undefined ? [] : [{ value: fileName }],
    meta: metaOf(frame.marks.all, frame.marks.clinical, marks),
    status,
    elements: compact({
      masterIdentifier: number?.identifier,
      docStatus: DOC_STATUS[codeOf(context, txa.field(17)) ?? ''],
      _status:
        availability === 'UN'
          ? {
              extension: [
                { url: ALTERNATE_CODES, valueCodeableConcept: { coding: [{ system: `${V2_TABLE}0273`, code: 'UN' }] } },
              ],
            }
          : undefined,
      type,
      subject: subjectOf(frame),
      date: originated === undefined ? undefined : toFhirInstant(originated, context.zone),
      // Ours: who is no originator by name did the work that the document is about.
      author: people(9).length > 0 ? people(9) : people(5),
      authenticator: people(22)[0] ?? people(10)[0],
      relatesTo: relatesTo(frame, txa, event),
      description:
        present(repetitions(txa.field(25), context.by).map((raw) => textOf(context, raw))).join('; ') || undefined,
      securityLabel: marks.length === 0 ? undefined : [{ coding: marks }],
    }),
  };
}

function documentKey(frame: ClinicalFrame, { system, value }: Identified): BusinessKey {
  return ofPatient(frame, 'document', system, value);
}

/** TXA-18: the label decides the lockbox, so it is one of the record as well. `U` is the usual control: none. */
function confidentiality(context: Context, raw: string): Element[] {
  const code = firstOf(context, raw);
  if (code === undefined || code === 'U' || code === 'N') return [];
  if (CONFIDENTIALITY_CODES.has(code)) return [{ system: CONFIDENTIALITY, code }];
  return [{ system: SENSITIVITY_CODES.has(code) ? ACT_CODE : `${V2_TABLE}0272`, code }];
}

/** The document of TXA-13; it is superseded where it is replaced. One that was never sent is a record without content. */
function relatesTo(frame: ClinicalFrame, txa: Segment, event: string): Element[] | undefined {
  const { context, list } = frame;
  const parent = eiIdentifier(context, txa.field(13), '');
  const code = RELATIONS[event];
  const own = eiIdentifier(context, txa.field(12), '');
  if (parent === undefined || code === undefined || (own?.system === parent.system && own.value === parent.value))
    return undefined;
  const index = list.add({
    type: 'DocumentReference',
    keys: [documentKey(frame, parent)],
    set: {
      resourceType: 'DocumentReference',
      ...(code === 'replaces' && { status: 'superseded' }),
      subject: subjectOf(frame),
    },
    keepIf: { status: ['entered-in-error'] },
    initial: { status: 'current', masterIdentifier: parent.identifier, content: [NO_CONTENT] },
  });
  return [{ code, target: { reference: changeReference(index) } }];
}

/** DocumentReference.context: the visit, and what the document is about. */
export function documentContext(frame: ClinicalFrame, related: readonly number[]): Element | undefined {
  const encounter = encounterOf(frame);
  const context = compact({
    encounter: encounter === undefined ? undefined : [encounter],
    related: related.map((index) => ({ reference: changeReference(index) })),
  });
  return Object.keys(context).length === 0 ? undefined : context;
}
