import { expect, test } from 'vitest';
import { decide } from '../../../src/consent/decide.ts';
import { parseConsent } from '../../../src/consent/parse-consent.ts';
import { DEFAULT_POLICY, policyOf } from '../../../src/consent/policy.ts';
import { actor, consent, principal, request } from './fixtures.ts';

const doctor = principal('practitioner');
const own = policyOf(['Organization/stmary', 'urn:oid:1.2.3|stmary'], () => ['https://stmary.example/fhir']);

function answer(policy: typeof own, provision: Record<string, unknown>): string {
  const rule = parseConsent(consent({ type: 'permit', provision: [{ type: 'deny', ...provision }] }));
  return decide(request(doctor, { policy, consents: [rule] })).kind;
}

test('without configuration the default policy holds as it is', () => {
  expect(policyOf([], () => [])).toEqual(DEFAULT_POLICY);
});

test('the version tells that the institution has names, whatever their order', () => {
  expect(own.version).toMatch(/^default\/1\+[0-9a-f]{8}$/);
  expect(policyOf([...own.ownOrganizations].toReversed(), () => []).version).toBe(own.version);
  expect(policyOf(['Organization/other'], () => []).version).not.toBe(own.version);
});

test('the base is the one of the moment', () => {
  let base = '';
  const late = policyOf([], () => [base]);
  base = 'https://stmary.example/fhir';
  expect(late.ownBases).toEqual([base]);
});

test('a denial to another organisation leaves this one alone, and one to this one does not', () => {
  for (const name of ['Organization/stmary', 'https://stmary.example/fhir/Organization/stmary']) {
    expect(answer(own, { actor: [actor(name)] }), name).toBe('denial');
  }
  expect(answer(own, { actor: [actor('Organization/clinic')] })).toBe('permit');
  // Without names nobody can tell: the denial counts.
  expect(
    answer(
      policyOf([], () => []),
      { actor: [actor('Organization/clinic')] },
    ),
  ).toBe('denial');
});
