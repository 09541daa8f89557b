import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Interaction, Principal } from '../../../src/core/principal.ts';
import { decide, type DecisionRequest } from '../../../src/consent/decide.ts';
import { possibilities } from '../../../src/consent/evaluate.ts';
import { parseConsent } from '../../../src/consent/parse-consent.ts';
import type { Resource } from '../../../src/formats/fhir/resource.ts';
import type { Label } from '../../../src/labels/label.ts';
import { labelsIn } from '../../../src/labels/label.ts';
import { actionOf, actor, classOf, consent, label, NOW, principal, reason, request, scope } from './fixtures.ts';

interface Rule {
  type?: string;
  provision?: Rule[];
  [element: string]: unknown;
}

const some = <T>(...values: T[]) => fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 });

/** Every kind of condition, with values that meet the sample requests and values that do not. */
const conditions = fc.record(
  {
    actor: some(
      actor('Practitioner/lee'),
      actor('Practitioner/kim'),
      actor('Organization/stmary'),
      actor('CareTeam/1'),
      actor('Practitioner/kim', 'AUT'),
      actor('Practitioner/lee', 'WIT'),
    ),
    purpose: some(reason('TREAT'), reason('HRESCH'), reason('COC'), reason('nonsense')),
    action: some(actionOf('access'), actionOf('collect'), actionOf('disclose')),
    class: some<object>(classOf('Observation'), classOf('Condition'), { code: 'http://example.org/profile' }),
    securityLabel: some<object>(
      label.act('PSY'),
      label.act('HIV'),
      label.act('PSYTHPN'),
      label.confidentiality('N'),
      label.confidentiality('R'),
      label.confidentiality('V'),
      { system: 'urn:vip', code: 'VIP' },
      label.act('XYZ'),
    ),
    period: fc.constantFrom({ start: '2026-01-01' }, { end: '2020-01-01' }),
    dataPeriod: fc.constantFrom({ start: '2026-01-01' }, { end: '2020-01-01' }),
    code: some<object>({ coding: [{ system: 'http://loinc.org', code: '2345-7' }] }, { text: 'sugar' }),
    data: some(
      { meaning: 'instance', reference: { reference: 'Observation/o1' } },
      { meaning: 'authoredby', reference: { reference: 'Practitioner/kim' } },
      { meaning: 'related', reference: { reference: 'Encounter/e1' } },
    ),
    expression: fc.constant({ language: 'text/cql' }),
  },
  { requiredKeys: [] },
);
/** At most two conditions a rule, or almost nothing would match. */
const fewConditions = conditions.map((all) => Object.fromEntries(Object.entries(all).slice(0, 2)));
const type = fc.constantFrom('permit', 'deny');
const ruleWith = (children: fc.Arbitrary<Rule>, most: number): fc.Arbitrary<Rule> =>
  fc
    .tuple(type, fc.oneof(fc.constant({}), fewConditions), fc.array(children, { maxLength: most }))
    .map(([kind, met, provision]) => ({ type: kind, ...met, ...(provision.length > 0 ? { provision } : {}) }));
const leaf: fc.Arbitrary<Rule> = ruleWith(fc.constant({}), 0);
const rules = ruleWith(ruleWith(ruleWith(leaf, 1), 2), 3);
const consents = fc.array(
  rules.map((rule) => consent(rule)),
  { maxLength: 3 },
);

const people: readonly Principal[] = [
  principal('practitioner'),
  principal('practitioner', { fhirUser: 'Practitioner/kim', organization: 'Organization/stmary' }),
  principal('practitioner', { ownInstitution: false, organization: 'Organization/other' }),
  principal('practitioner', { purpose: 'ETREAT' }),
  principal('practitioner', { purpose: 'HPAYMT' }),
  principal('system'),
  principal('researcher'),
];
const labelSets: readonly (readonly Label[])[] = [['N'], ['R'], ['PSY'], ['HIV', 'PSY'], ['IDENT'], ['IDENT', 'SDV']];
const actions: readonly Interaction[] = ['read', 'search', 'create', 'update', 'delete'];

const records: readonly Resource[] = [
  {
    resourceType: 'Observation',
    id: 'o1',
    code: { coding: [{ system: 'http://loinc.org', code: '2345-7' }] },
    effectiveDateTime: '2026-06-01',
    performer: [{ reference: 'Practitioner/kim' }],
  },
  {
    resourceType: 'Observation',
    id: 'o2',
    effectiveDateTime: '2019-06-01',
    performer: [{ reference: 'Practitioner/lee' }],
    meta: { security: [label.confidentiality('V'), label.act('PSYTHPN')] },
  },
  { resourceType: 'Condition', id: 'c1', meta: { security: [{ system: 'urn:vip', code: 'VIP' }] } },
];

const asked = fc
  .tuple(fc.constantFrom(...people), fc.constantFrom(...labelSets), fc.constantFrom(...actions), consents)
  .map(([who, labels, action, all]) => ({ base: request(who, { action }, labels), all }));

/** Which of the sample records the caller gets, type known and not known before. */
function granted(base: DecisionRequest, all: readonly Resource[]): readonly boolean[] {
  const parsed = all.map(parseConsent);
  return records.flatMap((record) =>
    [record.resourceType, undefined].map((known) => {
      const decision = decide({ ...base, consents: parsed, ...(known === undefined ? {} : { type: known }) });
      return decision.kind === 'permit' && decision.residual(record);
    }),
  );
}
const noWider = (after: readonly boolean[], before: readonly boolean[]) => after.every((now, n) => !now || before[n]);

/** A copy of the rule with `change` applied to the provision at a place chosen by `seed`. */
function changed(rule: Rule, seed: number, change: (rule: Rule) => Rule): Rule {
  const children = rule.provision ?? [];
  if (children.length === 0 || seed % (children.length + 1) === children.length) return change(rule);
  const at = seed % (children.length + 1);
  return {
    ...rule,
    provision: children.map((child, n) => (n === at ? changed(child, Math.floor(seed / 7), change) : child)),
  };
}
const withRoot = (resource: Resource, provision: Rule): Resource => ({ ...resource, provision });

const runs = { numRuns: 3000 };

describe('decisions', () => {
  it('adding a Consent that denies never widens access', () => {
    fc.assert(
      fc.property(asked, fewConditions, ({ base, all }, met) => {
        expect(noWider(granted(base, [...all, consent({ type: 'deny', ...met })]), granted(base, all))).toBe(true);
      }),
      runs,
    );
  });

  it('adding a denying exception anywhere never widens access', () => {
    fc.assert(
      fc.property(asked, rules, fewConditions, fc.nat(), ({ base, all }, root, met, seed) => {
        const before = consent(root);
        const more = changed(root, seed, (rule) => ({
          ...rule,
          provision: [...(rule.provision ?? []), { type: 'deny', ...met }],
        }));
        expect(noWider(granted(base, [...all, withRoot(before, more)]), granted(base, [...all, before]))).toBe(true);
      }),
      runs,
    );
  });

  it('removing a permission never widens access', () => {
    fc.assert(
      fc.property(asked, rules, fewConditions, fc.nat(), ({ base, all }, root, met, seed) => {
        const before = changed(root, seed, (rule) => ({
          ...rule,
          provision: [...(rule.provision ?? []), { type: 'permit', ...met }],
        }));
        const resource = consent(before);
        expect(noWider(granted(base, [...all, withRoot(resource, root)]), granted(base, [...all, resource]))).toBe(
          true,
        );
        expect(noWider(granted(base, all), granted(base, [...all, consent({ type: 'permit', ...met })]))).toBe(true);
      }),
      runs,
    );
  });

  it('turning a permission into a denial never widens access', () => {
    fc.assert(
      fc.property(asked, rules, ({ base, all }, root) => {
        const { provision: _, ...bare } = root;
        const permits = consent({ ...bare, type: 'permit' });
        expect(
          noWider(
            granted(base, [...all, withRoot(permits, { ...bare, type: 'deny' })]),
            granted(base, [...all, permits]),
          ),
        ).toBe(true);
      }),
      runs,
    );
  });

  it('who says less about themselves never gets more', () => {
    fc.assert(
      fc.property(
        asked,
        fc.subarray(['fhirUser', 'organization', 'client', 'tokenId'] as const),
        ({ base, all }, left) => {
          const less: Record<string, unknown> = { ...base.principal };
          for (const name of left) delete less[name];
          expect(noWider(granted({ ...base, principal: less as never }, all), granted(base, all))).toBe(true);
        },
      ),
      runs,
    );
  });

  it('fewer scopes never give more', () => {
    fc.assert(
      fc.property(
        asked,
        fc.constantFrom('Observation', 'Condition'),
        fc.subarray([...actions]),
        ({ base, all }, only, some) => {
          const level = base.principal.scopes[0]!.level;
          const less = { ...base.principal, scopes: [scope(level, only, some)] };
          expect(noWider(granted({ ...base, principal: less }, all), granted(base, all))).toBe(true);
        },
      ),
      runs,
    );
  });

  it('what is denied before opening would be denied after it, and an opened record has one answer', () => {
    let early = 0;
    fc.assert(
      fc.property(asked, ({ base, all }) => {
        const parsed = all.map(parseConsent);
        const facts = (resource: Resource | undefined) => ({
          ...base,
          labels: labelsIn(base.labels),
          type: resource?.resourceType,
          resource,
          now: NOW,
        });
        const decision = decide({ ...base, consents: parsed });
        // A record marked `V` never lies in a lockbox of lower labels (labels-of.test).
        const possible = records.filter(({ meta }) => meta === undefined || !/^(N|IDENT)$/.test(base.labels));
        for (const record of possible) {
          const answers = parsed.map((rule) => possibilities(rule, facts(record)));
          for (const answer of answers)
            expect([answer.deny, answer.permit, answer.silent].filter(Boolean)).toHaveLength(1);
          parsed.forEach((rule, n) => {
            const before = possibilities(rule, facts(undefined));
            const after = answers[n]!;
            // What the record decides was among the possibilities.
            expect(
              (!after.deny || before.deny) && (!after.permit || before.permit) && (!after.silent || before.silent),
            ).toBe(true);
          });
          if (decision.kind === 'denial' && decision.reasons[0] === 'consent-deny') {
            early += 1;
            const byDefault = decide({ ...base, consents: [] }).kind === 'permit';
            expect(
              answers.some((answer) => answer.deny) || !(byDefault || answers.some((answer) => answer.permit)),
            ).toBe(true);
          }
        }
      }),
      runs,
    );
    expect(early).toBeGreaterThan(0);
  });

  it('is a function: the same request gives the same decision', () => {
    fc.assert(
      fc.property(asked, ({ base, all }) => {
        expect(granted(base, all)).toEqual(granted(base, all));
        expect(granted(base, all.toReversed())).toEqual(granted(base, all));
      }),
      { numRuns: 500 },
    );
  });
});
