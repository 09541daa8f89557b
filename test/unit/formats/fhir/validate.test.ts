import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decimal } from '../../../../src/formats/fhir/json.ts';
import { validateResource, type Issue } from '../../../../src/formats/fhir/validate.ts';

type Json = Record<string, unknown>;

const observation: Json = {
  resourceType: 'Observation',
  id: 'o1',
  meta: { versionId: '1', lastUpdated: '2024-02-29T10:00:00.000+01:00' },
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
  subject: { reference: 'Patient/1' },
  effectiveDateTime: '2024-02-29',
  valueQuantity: { value: 5.4, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' },
};
const patient: Json = {
  resourceType: 'Patient',
  name: [{ family: 'Doe', given: ['A', 'B'] }],
  birthDate: '1970-01-01',
};

const errors = (resource: unknown, options = {}): Issue[] =>
  validateResource(resource, options).filter((issue) => issue.severity === 'error');
const said = (resource: unknown): string[] =>
  errors(resource).map(({ code, expression, diagnostics }) => `${code} ${expression} ${diagnostics.split(':')[0]}`);

describe('valid', () => {
  test.each([
    ['an observation', observation],
    ['a patient', patient],
    [
      'a value that is only an extension',
      { ...patient, birthDate: undefined, _birthDate: { extension: [{ url: 'http://x/a', valueCode: 'unknown' }] } },
    ],
    [
      'nulls beside companions',
      {
        ...patient,
        name: [
          { given: ['A', null], _given: [{ id: 'x' }, { extension: [{ url: 'http://x/a', valueCode: 'masked' }] }] },
        ],
      },
    ],
    [
      'a required element that is only an extension',
      { ...observation, status: undefined, _status: { extension: [{ url: 'http://x/a', valueCode: 'unknown' }] } },
    ],
    ['decimals that keep their text', { ...observation, valueQuantity: { value: decimal('5.40') } }],
    ['a leap day and a leap second', { ...observation, effectiveDateTime: '2016-12-31T23:59:60Z' }],
    [
      'contained resources that are used',
      {
        ...patient,
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }],
        managingOrganization: { reference: '#o' },
      },
    ],
    [
      'a contained resource that refers to its container',
      {
        ...observation,
        contained: [
          {
            resourceType: 'Provenance',
            id: 'p',
            recorded: '2024-01-01T00:00:00Z',
            target: [{ reference: '#' }],
            agent: [{ who: { display: 'x' } }],
          },
        ],
      },
    ],
    [
      'nested extensions',
      { ...patient, extension: [{ url: 'http://x/a', extension: [{ url: 'b', valueString: 'x' }] }] },
    ],
    [
      'recursive content',
      {
        resourceType: 'QuestionnaireResponse',
        status: 'completed',
        item: [{ linkId: '1', item: [{ linkId: '2', answer: [{ valueBoolean: true }] }] }],
      },
    ],
    [
      'references of all forms',
      {
        ...observation,
        performer: [
          { reference: 'https://a.example/fhir/Practitioner/1' },
          { reference: 'urn:uuid:0b7d9f3e-1111-4111-8111-111111111111' },
          { display: 'x' },
        ],
      },
    ],
    [
      'narrative',
      {
        ...patient,
        text: {
          status: 'generated',
          div: '<div xmlns="http://www.w3.org/1999/xhtml"><p>a &amp; b<br/></p><!-- c --></div>',
        },
      },
    ],
  ])('%s', (_, resource) => {
    expect(validateResource(resource)).toEqual([]);
  });
});

describe('invalid', () => {
  test.each<[string, Json]>([
    [
      'Condition',
      {
        clinicalStatus: { coding: [{ system: [{ toString: {} }], code: 'active' }] },
        subject: { reference: 'Patient/1' },
      },
    ],
    [
      'Appointment',
      { status: [{ toString: {} }], cancelationReason: { text: 'x' }, participant: [{ status: 'accepted' }] },
    ],
    ['Bundle', { type: { toString: {} }, entry: [{ fullUrl: 'urn:x' }] }],
  ])('a %s that has objects with a toString of their own for texts', (resourceType, fields) => {
    expect(validateResource({ resourceType, ...fields })).not.toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ['not an object', [], 'structure Resource a resource must be a JSON object'],
    ['no type', {}, 'required Resource resourceType must be the name of an R4 resource type'],
    [
      'an unknown type',
      { resourceType: 'Observations' },
      'structure Resource resourceType must be the name of an R4 resource type',
    ],
    [
      'a type of Object.prototype',
      { resourceType: 'constructor' },
      'structure Resource resourceType must be the name of an R4 resource type',
    ],
    [
      'an unknown element',
      { ...observation, colour: 'red' },
      'structure Observation.colour R4 has no such element here',
    ],
    [
      'an unknown nested element',
      { ...observation, code: { codings: [] } },
      'structure Observation.code.codings R4 has no such element here',
    ],
    [
      'an element of Object.prototype',
      { ...observation, toString: 'x' },
      'structure Observation.toString R4 has no such element here',
    ],
    [
      'a missing element',
      { ...observation, status: undefined },
      'required Observation.status this element is required',
    ],
    [
      'two types of a choice',
      { ...patient, deceasedBoolean: true, deceasedDateTime: '2020' },
      'structure Patient.deceased only one type of this element may be given',
    ],
    [
      'a choice type that is not allowed',
      { ...observation, valueAttachment: { url: 'x' } },
      'structure Observation.valueAttachment R4 has no such element here',
    ],
    ['an empty array', { ...patient, name: [] }, 'structure Patient.name an array must not be empty'],
    ['an empty object', { ...patient, name: [{}] }, 'invariant Patient.name[0] ele-1'],
    ['an object of nothing but an id', { ...patient, name: [{ id: 'x' }] }, 'invariant Patient.name[0] ele-1'],
    ['an empty string', { ...patient, name: [{ family: '' }] }, 'value Patient.name[0].family not a valid string'],
    [
      'a companion of nothing but an id',
      { ...patient, birthDate: undefined, _birthDate: { id: 'x' } },
      'invariant Patient.birthDate ele-1',
    ],
    ['an empty companion', { ...patient, _birthDate: {} }, 'invariant Patient.birthDate ele-1'],
    [
      'an array for one',
      { ...observation, code: [{ text: 'x' }] },
      'structure Observation.code this element does not repeat',
    ],
    [
      'an array for one primitive',
      { ...observation, status: ['final'] },
      'structure Observation.status this element does not repeat',
    ],
    ['one for an array', { ...patient, name: { family: 'x' } }, 'structure Patient.name this element repeats'],
    ['null', { ...patient, birthDate: null }, 'structure Patient.birthDate null is not allowed here'],
    ['null in an array of objects', { ...patient, name: [null] }, 'structure Patient.name[0] null is not allowed here'],
    [
      'null without a companion',
      { ...patient, name: [{ given: ['A', null] }] },
      'structure Patient.name[0].given[1] null is not allowed here',
    ],
    [
      'a string for an object',
      { ...observation, code: 'x' },
      'structure Observation.code must be a JSON object (a CodeableConcept)',
    ],
    [
      'a day that is not',
      { ...observation, effectiveDateTime: '2023-02-29' },
      'value Observation.effective not a valid dateTime',
    ],
    [
      'a time without a zone',
      { ...observation, effectiveDateTime: '2023-02-28T10:00:00' },
      'value Observation.effective not a valid dateTime',
    ],
    [
      'a date with a time',
      { ...patient, birthDate: '1970-01-01T00:00:00Z' },
      'value Patient.birthDate not a valid date',
    ],
    ['a partial instant', { ...observation, issued: '2023' }, 'value Observation.issued not a valid instant'],
    ['a text for a boolean', { ...patient, active: 'true' }, 'value Patient.active not a valid boolean'],
    [
      'a text for a decimal',
      { ...observation, valueQuantity: { value: '5' } },
      'value Observation.value.value not a valid decimal',
    ],
    [
      'a fraction for an integer',
      { ...observation, valueQuantity: undefined, valueInteger: 1.5 },
      'value Observation.value not a valid integer',
    ],
    ['an id that is not', { ...patient, id: 'a b' }, 'value Patient.id not a valid id'],
    ['a uri with a space', { ...patient, implicitRules: 'a b' }, 'value Patient.implicitRules not a valid uri'],
    [
      'base64 that is not',
      { ...patient, photo: [{ contentType: 'image/png', data: 'abc' }] },
      'value Patient.photo[0].data not a valid base64Binary',
    ],
    [
      'a code outside of a required binding',
      { ...observation, status: 'done' },
      'code-invalid Observation.status not a code of the required value set http',
    ],
    [
      'a concept outside of a required binding',
      {
        resourceType: 'Condition',
        subject: { reference: 'Patient/1' },
        clinicalStatus: { coding: [{ system: 'x', code: 'active' }] },
      },
      'code-invalid Condition.clinicalStatus no code of the required value set http',
    ],
    [
      'a reference to another type',
      { ...observation, subject: { reference: 'Practitioner/1' } },
      'structure Observation.subject must refer to Device, Group, Location, Patient',
    ],
    [
      'a reference to no type',
      { ...observation, subject: { reference: 'Patients/1' } },
      'value Observation.subject.reference must be Type/id, an absolute URL, a URN, or # and the id of a contained resource',
    ],
    [
      'a search as a reference',
      { ...observation, subject: { reference: 'Patient?identifier=1' } },
      'value Observation.subject.reference must be Type/id, an absolute URL, a URN, or # and the id of a contained resource',
    ],
    [
      'a dangling contained reference',
      { ...observation, subject: { reference: '#p' } },
      'invariant Observation.subject.reference ref-1',
    ],
    [
      'an unused contained resource',
      { ...patient, contained: [{ resourceType: 'Organization', id: 'o', name: 'x' }] },
      'invariant Patient dom-3',
    ],
    [
      'a contained resource with a version',
      {
        ...patient,
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x', meta: { versionId: '1' } }],
        managingOrganization: { reference: '#o' },
      },
      'invariant Patient.contained[0] dom-4',
    ],
    [
      'nested contained resources',
      {
        ...patient,
        contained: [{ resourceType: 'Organization', id: 'o', contained: [] }],
        managingOrganization: { reference: '#o' },
      },
      'invariant Patient.contained[0] dom-2',
    ],
    [
      'a contained resource with a label',
      {
        ...patient,
        contained: [{ resourceType: 'Organization', id: 'o', name: 'x', meta: { security: [{ code: 'R' }] } }],
        managingOrganization: { reference: '#o' },
      },
      'invariant Patient.contained[0] dom-5',
    ],
    [
      'an extension without a url',
      { ...patient, extension: [{ valueString: 'x' }] },
      'required Patient.extension[0].url this element is required',
    ],
    [
      'an extension with value and extensions',
      { ...patient, extension: [{ url: 'a', valueString: 'x', extension: [{ url: 'b', valueString: 'x' }] }] },
      'invariant Patient.extension[0] ext-1',
    ],
    ['an extension without either', { ...patient, extension: [{ url: 'a' }] }, 'invariant Patient.extension[0] ext-1'],
    [
      'a value with a reason for its absence',
      { ...observation, dataAbsentReason: { text: 'x' } },
      'invariant Observation obs-6',
    ],
    [
      'a component with the code of the value',
      { ...observation, component: [{ code: observation.code }] },
      'invariant Observation obs-7',
    ],
    [
      'a period that ends before it starts',
      { ...observation, effectiveDateTime: undefined, effectivePeriod: { start: '2024-02', end: '2024-01-31' } },
      'invariant Observation.effective per-1',
    ],
    [
      'a unit code without a system',
      { ...observation, valueQuantity: { value: 1, code: 'mg' } },
      'invariant Observation.value qty-3',
    ],
    [
      'a comparator in a simple quantity',
      { ...observation, referenceRange: [{ low: { value: 1, comparator: '<' } }] },
      'invariant Observation.referenceRange[0].low sqty-1',
    ],
    ['data without a content type', { ...patient, photo: [{ data: 'YQ==' }] }, 'invariant Patient.photo[0] att-1'],
    ['a contact without content', { ...patient, contact: [{ gender: 'male' }] }, 'invariant Patient.contact[0] pat-1'],
    ['an organization without a name', { resourceType: 'Organization', active: true }, 'invariant Organization org-1'],
    [
      'a script in the narrative',
      { ...patient, text: { status: 'generated', div: '<div><script>x</script></div>' } },
      'value Patient.text.div not a valid xhtml',
    ],
    [
      'an event handler in the narrative',
      { ...patient, text: { status: 'generated', div: '<div onclick="x">x</div>' } },
      'value Patient.text.div not a valid xhtml',
    ],
    [
      'an active link in the narrative',
      { ...patient, text: { status: 'generated', div: '<div><a href="java&#115;cript:x">x</a></div>' } },
      'value Patient.text.div not a valid xhtml',
    ],
    [
      'an unclosed narrative',
      { ...patient, text: { status: 'generated', div: '<div><p>x</div>' } },
      'value Patient.text.div not a valid xhtml',
    ],
    [
      'an empty narrative',
      { ...patient, text: { status: 'generated', div: '<div> </div>' } },
      'value Patient.text.div not a valid xhtml',
    ],
    [
      'a resource inside a Bundle',
      { resourceType: 'Bundle', type: 'collection', entry: [{ resource: { ...observation, status: 'x' } }] },
      'code-invalid Bundle.entry[0].resource.status not a code of the required value set http',
    ],
  ])('%s', (_, resource, expected) => {
    expect(said(resource)).toContain(expected);
  });

  test('another type than the one expected', () => {
    expect(errors(observation, { type: 'Patient' })).toHaveLength(1);
    expect(errors(observation, { type: 'Observation' })).toEqual([]);
  });

  test('searches are references only where a transaction may have them', () => {
    const conditional = { ...observation, subject: { reference: 'Patient?identifier=1' } };
    expect(errors(conditional, { conditionalReferences: true })).toEqual([]);
    expect(
      errors({ ...conditional, subject: { reference: 'Practitioner?identifier=1' } }, { conditionalReferences: true }),
    ).toHaveLength(1);
  });

  test('a warning is no error', () => {
    const condition = {
      resourceType: 'Condition',
      subject: { reference: 'Patient/1' },
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-category', code: 'problem-list-item' }] },
      ],
    };
    expect(validateResource(condition)).toMatchObject([{ severity: 'warning', code: 'invariant' }]);
  });

  test('no value gets into an issue', () => {
    const secret = 'Zebulon';
    const texts = JSON.stringify([
      ...validateResource({
        ...observation,
        status: secret,
        issued: secret,
        subject: { reference: secret },
        valueQuantity: secret,
      }),
      ...validateResource({
        ...patient,
        name: secret,
        id: `${secret} `,
        text: { status: secret, div: secret },
        [`${secret} x`]: 1,
      }),
    ]);
    expect(texts).not.toContain(secret);
  });

  test('never throws, whatever the JSON', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Patient', 'Observation', 'Bundle', 'Parameters'),
        fc.jsonValue(),
        fc.object(),
        (resourceType, value, more) => {
          validateResource(value);
          validateResource({
            ...more,
            resourceType,
            contained: value,
            extension: value,
            name: value,
            entry: [{ resource: value }],
            text: value,
          });
        },
      ),
    );
  });
});

/** Changes that make any resource invalid, each at a place drawn from the resource itself. */
const MUTATIONS: Record<string, (holder: Json, key: string) => boolean> = {
  'unknown element': (holder) => ((holder.unknownElement = 'x'), true),
  'empty array': (holder, key) => Array.isArray(holder[key]) && ((holder[key] = []), true),
  'array for one': (holder, key) => !Array.isArray(holder[key]) && ((holder[key] = [holder[key]]), true),
  'one for an array': (holder, key) =>
    Array.isArray(holder[key]) && ((holder[key] = (holder[key] as unknown[])[0]), true),
  'empty string': (holder, key) => typeof holder[key] === 'string' && ((holder[key] = ''), true),
  null: (holder, key) => ((holder[key] = null), true),
  'number for a text': (holder, key) => typeof holder[key] === 'string' && ((holder[key] = 7), true),
  'text for a number': (holder, key) =>
    ['number', 'boolean'].includes(typeof holder[key]) && ((holder[key] = 'x'), true),
  'empty object': (holder, key) =>
    typeof holder[key] === 'object' && !Array.isArray(holder[key]) && ((holder[key] = {}), true),
};

function places(value: unknown, out: [Json, string][] = []): [Json, string][] {
  if (Array.isArray(value)) for (const item of value) places(item, out);
  else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      if (key !== 'resourceType') out.push([value as Json, key]);
      places((value as Json)[key], out);
    }
  }
  return out;
}

const corpora = process.env.CORPORA_DIR;
if (!corpora) console.log('CORPORA_DIR is not set: the Synthea validation is skipped');

describe.skipIf(!corpora)('Synthea', () => {
  const folder = join(corpora ?? '', 'fhir/synthea');
  const bundles = corpora
    ? readdirSync(folder).map(
        (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as { entry: { resource: Json }[] },
      )
    : [];
  const resources = bundles.flatMap((bundle) => bundle.entry.map((entry) => entry.resource));

  test('all 2,141 resources and their bundles are valid', () => {
    expect(resources).toHaveLength(2141);
    for (const resource of [...resources, ...bundles]) expect(errors(resource)).toEqual([]);
  });

  test('every mutation of every fourth one fails', () => {
    let state = 1;
    let count = 0;
    for (const [at, resource] of resources.entries()) {
      if (at % 4 !== 0) continue;
      for (const [name, mutate] of Object.entries(MUTATIONS)) {
        const copy = structuredClone(resource);
        const all = places(copy);
        state = (state * 48_271) % 2_147_483_647;
        const place = all[state % all.length];
        if (place === undefined || !mutate(...place)) continue;
        count += 1;
        if (errors(copy).length === 0)
          throw new Error(`${name} at ${place[1]} of ${String(copy.resourceType)}/${String(copy.id)} passes`);
      }
    }
    expect(count).toBeGreaterThan(2000);
  });
});

/** Names and texts of the files of a tar archive (POSIX ustar: 512-byte headers, sizes in octal). */
function* filesOf(archive: Buffer): Generator<[string, string]> {
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0;) {
    const size = Number.parseInt(archive.toString('latin1', at + 124, at + 136), 8);
    const name = archive.toString('utf8', at, archive.indexOf(0, at));
    yield [name, archive.toString('utf8', at + 512, at + 512 + size)];
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

test.skipIf(!corpora)('every example and definition of the US Core package is valid', () => {
  const archive = gunzipSync(readFileSync(join(corpora ?? '', 'fhir/us-core/us_core_610.tgz')));
  let count = 0;
  for (const [name, text] of filesOf(archive)) {
    if (!/^package\/(?:example\/)?[A-Z][^/]*\.json$/.test(name)) continue;
    expect(errors(JSON.parse(text)), name).toEqual([]);
    count += 1;
  }
  expect(count).toBeGreaterThan(300);
});
