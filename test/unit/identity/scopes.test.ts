import { describe, expect, it } from 'vitest';
import { parseScopes } from '../../../src/identity/scopes.ts';

const letters = (text: string) => {
  const parsed = parseScopes(text);
  if ('error' in parsed) return parsed.error;
  return parsed.scopes.map(
    ({ level, type, interactions }) => `${level}/${type}:${[...interactions].map((name) => name[0]).join('')}`,
  );
};

describe('SMART scopes', () => {
  it.each([
    ['user/Observation.rs', ['user/Observation:rs']],
    ['patient/*.cruds openid fhirUser launch/patient offline_access', ['patient/*:cruds']],
    ['system/Patient.c  system/Patient.r', ['system/Patient:c', 'system/Patient:r']],
    ['user/*.read user/Consent.write', ['user/*:rs', 'user/Consent:cud']],
    ['user/*.*', ['user/*:cruds']],
    ['', []],
    ['openid', []],
  ])('%s', (text, expected) => {
    expect(letters(text)).toEqual(expected);
  });

  it.each([
    'user/Observation.sr',
    'user/Observation.x',
    'user/Observation.',
    'user/observation.rs',
    'user/Foo.rs',
    'USER/Observation.rs',
    'user/*.rs user/*.read',
    'user/*.rs patient/*.rs',
    'user/Observation.rs?category=laboratory',
    'user/Observation.rs?_include=*',
    'user/.rs',
  ])('%s is refused', (text) => {
    expect(letters(text)).toBeTypeOf('string');
  });
});
