/**
 * The conditions of a provision that only the opened record can tell: profile, code, clinical time, identity, links and
 * authorship. Before opening they are `later`.
 */
import { mapReferences } from '../formats/fhir/references.ts';
import type { Coding, Resource } from '../formats/fhir/resource.ts';
import { intervalOf, intervalOfPeriod, overlaps, within } from './fhir-time.ts';
import type { Match } from './consent-codes.ts';
import type { DataMeaning, Interval, Party, RuleType } from './model.ts';
import { anyOf, sameReference } from './party-match.ts';
import type { Policy } from './policy.ts';

/** Elements of R4 resources that say when something happened or was recorded. */
const TIMES = (
  'effectiveDateTime effectiveInstant effectivePeriod performedDateTime performedPeriod occurrenceDateTime ' +
  'occurrencePeriod onsetDateTime onsetPeriod period servicedDate servicedPeriod billablePeriod authoredOn ' +
  'authored recordedDate recorded assertedDate dateAsserted issued date created createdDateTime ' +
  'createdPeriod started sent received whenHandedOver whenPrepared dateTime collectedDateTime ' +
  'collectedPeriod receivedTime startDate statusDate'
).split(' ');

/** Elements that name who made the record or its content. */
const AUTHORS = ['author', 'performer', 'recorder', 'asserter', 'requester', 'sender', 'provider', 'informationSource'];

const RESOURCE_TYPES = 'http://hl7.org/fhir/resource-types';
const CORE_PROFILE = 'http://hl7.org/fhir/StructureDefinition/';

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** `provision.class`: a resource type or a profile. */
export function classMatch(coding: Coding, type: string | undefined, resource: Resource | undefined): Match {
  const { system, code } = coding;
  if (code === undefined) return 'unknown';
  const named = code.startsWith(CORE_PROFILE) ? code.slice(CORE_PROFILE.length) : code;
  if (
    system === RESOURCE_TYPES ||
    (named !== code && !named.includes('-')) ||
    (system === undefined && /^[A-Z][A-Za-z]+$/.test(code))
  ) {
    return type === undefined ? 'later' : named === type ? 'yes' : 'no';
  }
  if (!/^(?:https?|urn):/.test(code)) return 'unknown';
  if (resource === undefined) return 'later';
  // A record of the profile need not say so.
  return resource.meta?.profile?.includes(code) === true ? 'yes' : 'unknown';
}

/** `provision.code`: "if this code is found in an instance, then the rule applies". Anywhere in it but its metadata. */
export function codeMatch(codes: readonly Coding[], textOnly: boolean, resource: Resource | undefined): Match {
  if (resource === undefined) return 'later';
  const wanted = new Set(codes.map((coding) => `${coding.system ?? ''}|${coding.code ?? ''}`));
  const found = (value: unknown): boolean => {
    if (!isObject(value)) return false;
    if (Array.isArray(value)) return value.some(found);
    if (typeof value.code === 'string') {
      const system = typeof value.system === 'string' ? value.system : '';
      if (wanted.has(`${system}|${value.code}`)) return true;
    }
    return Object.values(value).some(found);
  };
  const { meta: _meta, ...content } = resource;
  if (found(content)) return 'yes';
  return textOnly ? 'unknown' : 'no';
}

/** `provision.dataPeriod`: a denial reaches what overlaps it, a permission only what lies within. No time at all: unknown. */
export function dataPeriodMatch(type: RuleType, interval: Interval, resource: Resource | undefined): Match {
  if (resource === undefined) return 'later';
  const found = TIMES.map((element) => intervalOf(resource[element]) ?? intervalOfPeriod(resource[element]));
  let times = found.filter((time) => time !== undefined);
  if (times.length === 0) times = [intervalOf(resource.meta?.lastUpdated)].filter((time) => time !== undefined);
  if (times.length === 0) return 'unknown';
  const met =
    type === 'permit' ? times.every((time) => within(time, interval)) : times.some((time) => overlaps(time, interval));
  return met ? 'yes' : 'no';
}

/** All references that stand below a value. */
function referencesIn(value: unknown, into: string[]): void {
  if (!isObject(value)) return;
  if (typeof value.reference === 'string') into.push(value.reference);
  for (const child of Object.values(value)) referencesIn(child, into);
}

/** Whether the party made the record, as far as the record says who did. */
export function authoredMatch(party: Party | undefined, resource: Resource | undefined, policy: Policy): Match {
  if (resource === undefined) return 'later';
  const authors: string[] = [];
  for (const element of AUTHORS) referencesIn(resource[element], authors);
  const { reference } = party ?? {};
  if (reference === undefined || authors.length === 0) return 'unknown';
  return anyOf(authors.map((author) => sameReference(author, reference, policy)));
}

/** `provision.data`: one entry. */
export function dataMatch(meaning: DataMeaning, party: Party, resource: Resource | undefined, policy: Policy): Match {
  if (resource === undefined) return 'later';
  if (meaning === 'not-understood') return 'unknown';
  if (meaning === 'authoredby') return authoredMatch(party, resource, policy);
  const { reference } = party;
  if (reference === undefined) return 'unknown';
  const self = sameReference(`${resource.resourceType}/${resource.id ?? ''}`, reference, policy);
  if (meaning === 'instance' || self === 'yes') return self;
  // What the named instance refers to stands in that instance, which is not at hand.
  if (meaning === 'related') return 'unknown';
  const links: string[] = [];
  mapReferences(resource, (link) => {
    links.push(link);
    return link;
  });
  return anyOf([self, ...links.map((link) => sameReference(link, reference, policy))]);
}
