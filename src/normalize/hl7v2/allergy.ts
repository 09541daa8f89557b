/** AL1, and IAM with IAR and NTE, to AllergyIntolerance (maps AL1[AllergyIntolerance], IAM[AllergyIntolerance]). */
import { codeTable } from '../../core/code-table.ts';
import { changeReference } from '../../formats/fhir/change.ts';
import { components, repetitions } from '../../formats/hl7v2/delimiters.ts';
import type { Segment } from '../../formats/hl7v2/message.ts';
import type { Claimed } from './claim.ts';
import { clinicalMeta, encounterOf, nameOfConcept, ofPatient, subjectOf, type ClinicalFrame } from './clinical.ts';
import { compact, dateTimeOf, firstOf, present, textOf, type Context, type Element } from './context.ts';
import { conceptOf, V2_TABLE } from './datatypes/codeable-concept.ts';
import { eiIdentifier } from './datatypes/identifier.ts';
import { xpnName, nameText } from './datatypes/human-name.ts';
import { notesOf } from './observation.ts';
import { relatedPerson, type PersonFields } from './related-person.ts';

const CLINICAL = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical';
const VERIFICATION = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification';

/** Table 0127 to AllergyIntolerance.category. MA and MC have none. */
const CATEGORY: Readonly<Record<string, string>> = codeTable({
  AA: 'biologic',
  DA: 'medication',
  EA: 'environment',
  FA: 'food',
  LA: 'environment',
  PA: 'environment',
});
/** Table 0127 codes that say allergy; MC is a contraindication. */
const ALLERGIES = new Set(['AA', 'DA', 'EA', 'FA', 'LA', 'MA', 'PA']);
/** Table 0128, as criticality and as severity of the reaction. */
const CRITICALITY: Readonly<Record<string, string>> = codeTable({ SV: 'high', MI: 'low' });
const SEVERITY: Readonly<Record<string, string>> = codeTable({ SV: 'severe', MO: 'moderate', MI: 'mild' });
/** Table 0438 of IAM-17 to verificationStatus. Ours. */
const VERIFIED: Readonly<Record<string, string>> = codeTable({
  C: 'confirmed',
  D: 'unconfirmed',
  E: 'entered-in-error',
  // "Confirmed but inactive": an allergy all the same.
  I: 'confirmed',
  P: 'unconfirmed',
  S: 'unconfirmed',
  U: 'unconfirmed',
});
/** Codes of IAM-17 that say that it is over, of table 0438 and of FHIR. */
const CLINICAL_STATUS: Readonly<Record<string, string>> = codeTable({
  I: 'inactive',
  inactive: 'inactive',
  resolved: 'resolved',
});
/** IAM-9, table 0436, where it says the kind of reaction. Ours. */
const SENSITIVITY: Readonly<Record<string, string>> = codeTable({ AL: 'allergy', IN: 'intolerance' });
const ALTERNATE_CODES = 'http://hl7.org/fhir/StructureDefinition/alternate-codes';

/** One AL1 or IAM. An allergy is known by what it is to, one for each patient: AL1 and IAM of it meet. */
export function allergyChange(frame: ClinicalFrame, claimed: Claimed): number | undefined {
  const { context, list } = frame;
  const { segment } = claimed;
  const isIam = segment.id === 'IAM';
  const location = `${segment.id}[${claimed.number}]`;
  const clinician = isIam ? conceptOf(context, segment.field(27)) : undefined;
  const code = conceptOf(context, segment.field(3)) ?? clinician;
  if (code === undefined) {
    context.omissions.push({ location: `${location}-3`, reason: 'no-code' });
    return undefined;
  }
  const identifier = isIam ? eiIdentifier(context, segment.field(7), '') : undefined;
  const type = firstOf(context, segment.field(2)) ?? '';
  const withdrawn = isIam && firstOf(context, segment.field(6)) === 'D';
  const verified = withdrawn
    ? 'entered-in-error'
    : isIam
      ? VERIFIED[firstOf(context, segment.field(17)) ?? '']
      : undefined;
  const isError = verified === 'entered-in-error';
  const severity = firstOf(context, segment.field(4)) ?? '';
  const reaction = reactions(context, claimed, severity);
  const stated = isIam ? (firstOf(context, segment.field(17)) ?? '') : '';
  const kind = isIam ? SENSITIVITY[firstOf(context, segment.field(9)) ?? ''] : undefined;
  return list.add({
    type: 'AllergyIntolerance',
    keys: [ofPatient(frame, 'allergy', nameOfConcept(code))],
    set: {
      resourceType: 'AllergyIntolerance',
      ...clinicalMeta(frame),
      ...compact({
        clinicalStatus: isError
          ? undefined
          : { coding: [{ system: CLINICAL, code: CLINICAL_STATUS[stated] ?? 'active' }] },
        verificationStatus: verified === undefined ? undefined : { coding: [{ system: VERIFICATION, code: verified }] },
        type: kind ?? (ALLERGIES.has(type) ? 'allergy' : undefined),
        category: CATEGORY[type] === undefined ? undefined : [CATEGORY[type]],
        _category: CATEGORY[type] === undefined ? present([asSent(context, segment.field(2), '0127')]) : undefined,
        criticality: CRITICALITY[severity],
        _criticality: CRITICALITY[severity] === undefined ? asSent(context, segment.field(4), '0128') : undefined,
        code: clinician === undefined ? code : withClinicians(code, clinician),
        patient: subjectOf(frame),
        onsetDateTime: dateTimeOf(context, segment.field(isIam ? 11 : 6), `${location}-${isIam ? 11 : 6}`),
        onsetString:
          isIam && firstOf(context, segment.field(11)) === undefined ? textOf(context, segment.field(12)) : undefined,
        recordedDate: isIam ? dateTimeOf(context, segment.field(13), `${location}-13`) : undefined,
        recorder: isIam ? recorderOf(frame, segment) : undefined,
        reaction,
        note: notesOf(context, claimed.notes),
      }),
    },
    append: { identifier: identifier === undefined ? [] : [identifier.identifier] },
    initial: compact({ encounter: encounterOf(frame) }),
    clear: [
      ...(isError ? ['clinicalStatus'] : []),
      // What is said now replaces what was said, also where FHIR has no code for it.
      ...(type === '' ? [] : ['category', '_category']),
      ...(severity === '' ? [] : ['criticality', '_criticality']),
    ],
  });
}

/** The code of the message where FHIR's has none for it (MC, a contraindication; MO, moderate). */
function asSent(context: Context, raw: string, table: string): Element | undefined {
  const concept = conceptOf(context, raw, V2_TABLE + table);
  return concept === undefined ? undefined : { extension: [{ url: ALTERNATE_CODES, valueCodeableConcept: concept }] };
}

/** The clinician's own code for it (IAM-27) beside the one of the system. */
function withClinicians(code: Element, clinician: Element): Element {
  const codings = [code.coding, clinician.coding].flatMap((coding) => (Array.isArray(coding) ? coding : []));
  return { ...code, ...(codings.length > 0 && { coding: codings }) };
}

/** AL1-5 and IAM-5 with the severity; IAR-1 with IAR-2. A reaction without a manifestation is none in FHIR. */
function reactions(context: Context, { segment, below }: Claimed, severity: string): Element[] {
  const own = repetitions(segment.field(5), context.by).flatMap((raw) => {
    const manifestation = conceptOf(context, raw);
    if (manifestation === undefined) return [];
    // AL1-5 is text that the data type calls a code.
    const text = segment.id === 'AL1' && !raw.includes(context.by.component) ? textOf(context, raw) : undefined;
    return [{ manifestation: [text === undefined ? manifestation : { text }], ...severityOf(severity) }];
  });
  const listed = below.flatMap((iar) => {
    const manifestation = conceptOf(context, iar.field(1));
    if (manifestation === undefined) return [];
    return [{ manifestation: [manifestation], ...severityOf(firstOf(context, iar.field(2)) ?? '') }];
  });
  return [...own, ...listed];
}

function severityOf(code: string): Element {
  return SEVERITY[code] === undefined ? {} : { severity: SEVERITY[code] };
}

/** IAM-18 names the clinician; IAM-14 is whoever told it: the patient or a relative where IAM-15 says so, else a name. */
function recorderOf(frame: ClinicalFrame, iam: Segment): Element | undefined {
  const { context, list } = frame;
  const clinician = list.practitioner(context, repetitions(iam.field(18), context.by)[0] ?? '');
  if (clinician !== undefined) return clinician;
  if (firstOf(context, iam.field(15)) === 'SEL') return { reference: changeReference(frame.patient.index) };
  if (firstOf(context, iam.field(15)) !== undefined) {
    const index = relatedPerson(frame, 'informant', informant(iam));
    if (index !== undefined) return { reference: changeReference(index) };
  }
  const parts = components(iam.field(14), context.by);
  const display = parts[0] === '' ? undefined : nameText(xpnName(context, iam.field(14), 'IAM-14'));
  return display === undefined ? undefined : { display };
}

/** IAM-14, name, and IAM-15, relationship; nothing else is said of them. */
function informant(segment: Segment): PersonFields {
  return {
    segment,
    location: 'IAM',
    name: 14,
    relationship: 15,
    telecom: [],
    identifiers: [],
  };
}
