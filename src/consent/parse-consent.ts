/**
 * Parses a FHIR R4 Consent into a ConsentRule. Total: what cannot be understood becomes part of the rule and fails closed,
 * nothing is dropped silently. Base rule: `provision.type` at the root (as IHE PCF writes it), else the consent directive
 * in `policyRule` (OPTIN, OPTOUT ...), else deny.
 */
import { codeTable } from '../core/code-table.ts';
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { intervalOfPeriod } from './fhir-time.ts';
import { actorPart, personKinds } from './consent-codes.ts';
import type { Actor, Condition, ConsentRule, DataMeaning, Party, Provision, RuleType } from './model.ts';

type Json = Readonly<Record<string, unknown>>;

/** Deepest nesting of provisions that is read; what lies deeper is not understood. */
const MAX_DEPTH = 16;

/** Elements of a provision that are evaluated or that do not restrict. */
const PROVISION_ELEMENTS = new Set(
  (
    'id extension modifierExtension type period actor action securityLabel purpose class code dataPeriod data ' +
    'provision'
  ).split(' '),
);

const SCOPE_SYSTEM = 'http://terminology.hl7.org/CodeSystem/consentscope';

/** v3 ActConsentDirective (`_ActConsentDirective`) as base rules. EMRGONLY is a denial with an exception. */
const DIRECTIVES: Readonly<Record<string, RuleType>> = codeTable({
  OPTIN: 'permit',
  OPTINR: 'permit',
  OPTOUT: 'deny',
  OPTOUTE: 'deny',
  NOCONSENT: 'deny',
  EMRGONLY: 'deny',
});

/** Provisions of one Consent that are read: every decision walks them. */
const MAX_PROVISIONS = 1000;

interface Reading {
  readonly notUnderstood: string[];
  provisions: number;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function codingsOf(concept: unknown): readonly Coding[] {
  return isObject(concept) ? objects(concept.coding) : [];
}

function partyOf(value: unknown): Party | undefined {
  if (!isObject(value)) return undefined;
  const identifier = isObject(value.identifier) ? value.identifier : undefined;
  const idValue = text(identifier?.value);
  return {
    reference: text(value.reference),
    identifier: idValue === undefined ? undefined : { system: text(identifier?.system), value: idValue },
  };
}

function actorOf(value: Json): Actor {
  const roles = codingsOf(value.role);
  const named = value.role === undefined || roles.length > 0;
  return {
    part: named && value.modifierExtension === undefined ? actorPart(roles) : 'not-understood',
    kinds: personKinds(roles),
    party: partyOf(value.reference),
  };
}

const MEANINGS: readonly string[] = ['instance', 'related', 'dependents', 'authoredby'] satisfies DataMeaning[];

function isMeaning(value: unknown): value is DataMeaning {
  return typeof value === 'string' && MEANINGS.includes(value);
}

/** One condition for each element that restricts the provision. */
function conditionsOf(json: Json, path: string, reading: Reading): readonly Condition[] {
  const conditions: Condition[] = [];
  const unclear = (element: string): void => {
    conditions.push({ kind: 'not-understood', element });
    reading.notUnderstood.push(`${path}.${element}`);
  };
  for (const element of Object.keys(json)) {
    if (!PROVISION_ELEMENTS.has(element) && !element.startsWith('_')) unclear(element);
  }
  for (const kind of ['period', 'dataPeriod'] as const) {
    if (json[kind] === undefined) continue;
    const interval = intervalOfPeriod(json[kind]);
    if (interval === undefined) unclear(kind);
    else conditions.push({ kind, interval });
  }
  for (const kind of ['purpose', 'securityLabel', 'class'] as const) {
    if (json[kind] === undefined) continue;
    const codes: readonly Coding[] = objects(json[kind]);
    if (codes.length === 0) unclear(kind);
    else conditions.push({ kind, codes });
  }
  if (json.action !== undefined) {
    const codes = objects(json.action).flatMap(codingsOf);
    if (codes.length === 0) unclear('action');
    else conditions.push({ kind: 'action', codes });
  }
  if (json.code !== undefined) {
    const concepts = objects(json.code).map(codingsOf);
    if (concepts.length === 0) unclear('code');
    else
      conditions.push({
        kind: 'code',
        codes: concepts.flat(),
        textOnly: concepts.some((codings) => codings.length === 0),
      });
  }
  if (json.actor !== undefined) {
    const actors = objects(json.actor).map(actorOf);
    if (actors.length === 0) unclear('actor');
    else conditions.push({ kind: 'actor', actors });
    if (actors.some((actor) => actor.part === 'not-understood')) reading.notUnderstood.push(`${path}.actor.role`);
  }
  if (json.data !== undefined) {
    const data = objects(json.data).map((item) => ({
      meaning:
        isMeaning(item.meaning) && item.modifierExtension === undefined ? item.meaning : ('not-understood' as const),
      party: partyOf(item.reference) ?? { reference: undefined, identifier: undefined },
    }));
    if (data.length === 0) unclear('data');
    else conditions.push({ kind: 'data', data });
    if (data.some((item) => item.meaning === 'related'))
      reading.notUnderstood.push(`${path}.data.where(meaning='related')`);
  }
  if (json.modifierExtension !== undefined) unclear('modifierExtension');
  return conditions;
}

function provisionOf(json: Json, path: string, fallback: RuleType, depth: number, reading: Reading): Provision {
  const conditions = conditionsOf(json, path, reading);
  let type: RuleType = json.type === 'permit' || json.type === 'deny' ? json.type : fallback;
  // A modifier that we do not know may turn the rule into its opposite (R4 extensibility, modifierExtension).
  if (json.modifierExtension !== undefined) type = 'deny';
  const nested = json.provision === undefined ? [] : objects(json.provision);
  reading.provisions += nested.length;
  if (nested.length > 0 && (depth >= MAX_DEPTH || reading.provisions > MAX_PROVISIONS)) {
    reading.notUnderstood.push(`${path}.provision`);
    return { path, type: 'deny', conditions, provisions: [] };
  }
  const provisions = nested.map((child, index) => {
    const childPath = `${path}.provision[${index}]`;
    if (child.type !== 'permit' && child.type !== 'deny') reading.notUnderstood.push(`${childPath}.type`);
    return provisionOf(child, childPath, 'deny', depth + 1, reading);
  });
  return { path, type, conditions, provisions };
}

function directiveOf(policyRule: unknown): string | undefined {
  return codingsOf(policyRule)
    .map((coding) => coding.code)
    .find((code) => code !== undefined && Object.hasOwn(DIRECTIVES, code));
}

/** The base rule, from the root provision and the directive together. */
function baseOf(resource: Resource, reading: Reading): Provision {
  const directive = directiveOf(resource.policyRule);
  const directed = directive === undefined ? undefined : DIRECTIVES[directive];
  const root = isObject(resource.provision) ? resource.provision : {};
  const stated = root.type === 'permit' || root.type === 'deny';
  if (!stated && directed === undefined) reading.notUnderstood.push('Consent.policyRule');
  const rootRule = provisionOf(root, 'Consent.provision', directed ?? 'deny', 0, reading);
  const emergency: Provision = {
    path: 'Consent.policyRule',
    type: 'permit',
    conditions: [
      { kind: 'purpose', codes: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'ETREAT' }] },
    ],
    provisions: [],
  };
  if (directive === 'EMRGONLY') {
    return {
      path: 'Consent.policyRule',
      type: 'deny',
      conditions: [],
      provisions: stated ? [rootRule, emergency] : [...rootRule.provisions, emergency],
    };
  }
  // "Opted out" with a root permission under conditions: the root is an exception to the directive, not its opposite.
  if (directed === 'deny' && rootRule.type === 'permit') {
    const exceptions = rootRule.conditions.length > 0 ? [rootRule] : rootRule.provisions;
    return { path: 'Consent.policyRule', type: 'deny', conditions: [], provisions: exceptions };
  }
  return rootRule;
}

/** The rule of one Consent version. The resource is one that was stored: `id` and `meta` are there, else they read as empty. */
export function parseConsent(resource: Resource): ConsentRule {
  const reading: Reading = { notUnderstood: [], provisions: 0 };
  const scopes = codingsOf(resource.scope);
  const base = baseOf(resource, reading);
  const modified = resource.modifierExtension !== undefined || resource.implicitRules !== undefined;
  if (modified) reading.notUnderstood.push('Consent.modifierExtension | Consent.implicitRules');
  const verified = objects(resource.verification).map((verification) => verification.verified);
  return {
    id: resource.id ?? '',
    version: resource.meta?.versionId ?? '',
    lastUpdated: Date.parse(resource.meta?.lastUpdated ?? '') || 0,
    status: text(resource.status) ?? 'unknown',
    privacy:
      scopes.length === 0 ||
      scopes.some((scope) => scope.code === 'patient-privacy' && (scope.system ?? SCOPE_SYSTEM) === SCOPE_SYSTEM),
    verified: verified.includes(false) ? false : verified.includes(true) ? true : undefined,
    base: modified ? { path: 'Consent', type: 'deny', conditions: [], provisions: [] } : base,
    notUnderstood: reading.notUnderstood,
  };
}
