/**
 * The pure meeting of a Change and the current version (DESIGN section 6). No clock, no ids, no I/O: versions and times
 * are set by who prepares.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Change, MergeChange } from '../formats/fhir/change.ts';
import { GATEWAY_TAG_SYSTEM, type Resource, type StoredResource } from '../formats/fhir/resource.ts';
import { union } from './union.ts';

const DATA_ABSENT_REASON = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/** R4 choice elements (`value[x]` ...): a new choice replaces an old one of another type. */
const CHOICES = [
  'value',
  'effective',
  'deceased',
  'multipleBirth',
  'onset',
  'abatement',
  'occurrence',
  'performed',
  'medication',
  'timing',
  'asNeeded',
  'born',
  'identified',
  'reported',
  'serviced',
] as const;

/** Element names looked at so far: those of the mappings, a few hundred. */
const knownChoices = new Map<string, string | undefined>();
const KNOWN_CHOICES = 4096;

function choiceOf(element: string): string | undefined {
  if (knownChoices.has(element)) return knownChoices.get(element);
  const choice = CHOICES.find(
    (base) => element.length > base.length && element.startsWith(base) && /[A-Z]/.test(element[base.length]),
  );
  if (knownChoices.size < KNOWN_CHOICES) knownChoices.set(element, choice);
  return choice;
}

/** True when another type of the same choice stands already: `effectivePeriod` where `effectiveDateTime` would be set. */
function hasOtherChoice(current: Resource | undefined, name: string): boolean {
  const choice = current === undefined ? undefined : choiceOf(name);
  if (current === undefined || choice === undefined) return false;
  return Object.keys(current).some((other) => other !== name && choiceOf(other) === choice);
}

/** Empty for JSON purposes: nothing to store. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}

function merge(current: Resource | undefined, change: MergeChange): Resource {
  const next: Record<string, unknown> = { ...current };
  for (const name of change.clear ?? []) delete next[name];
  for (const [name, value] of Object.entries(change.initial ?? {})) {
    const isThere = !isEmpty(next[name]) || (name.startsWith('_') && !isEmpty(next[name.slice(1)]));
    if (!isThere && !isEmpty(value) && !hasOtherChoice(current, name)) next[name] = value;
  }
  for (const [name, value] of Object.entries(change.set)) {
    if (name === 'id' || isEmpty(value)) continue;
    if (name === 'meta') {
      next.meta = mergeMeta(current, change.set);
      continue;
    }
    const kept = change.keepIf?.[name];
    if (kept !== undefined && current !== undefined && kept.includes(current[name])) continue;
    const choice = choiceOf(name);
    if (choice !== undefined) {
      for (const other of Object.keys(next)) if (other !== name && choiceOf(other) === choice) delete next[other];
    }
    next[name] = value;
    // Why a value is absent is over when there is one.
    if (isAbsence(next[`_${name}`])) delete next[`_${name}`];
  }
  for (const [name, members] of Object.entries(change.parts ?? {})) {
    const standing = next[name];
    const merged = withoutNulls(
      typeof standing === 'object' && standing !== null ? { ...standing, ...members } : members,
    );
    if (Object.keys(merged).length > 0) next[name] = merged;
    else delete next[name];
  }
  for (const [name, added] of Object.entries(change.append ?? {})) {
    const entries = union(Array.isArray(next[name]) ? next[name] : [], added);
    if (entries.length > 0) next[name] = entries;
  }
  if (change.revive === true) next.identifier = revived(next.identifier, change.append?.identifier ?? []);
  if (change.retire !== undefined) next.identifier = retired(next.identifier, change.retire);
  return { ...next, resourceType: change.type };
}

/** `_start` and the like that say nothing but why there is no value. */
function isAbsence(companion: unknown): boolean {
  if (!isEntry(companion) || !Array.isArray(companion.extension)) return false;
  return companion.extension.every((one: unknown) => isEntry(one) && one.url === DATA_ABSENT_REASON);
}

function isEntry(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Identifiers of which those that are current again are no longer marked `use: old`. */
function revived(identifiers: unknown, current: readonly unknown[]): unknown {
  if (!Array.isArray(identifiers)) return identifiers;
  return identifiers.map((entry: unknown) => {
    if (!isEntry(entry) || entry.use !== 'old') return entry;
    const again = current.find((one) => isEntry(one) && one.system === entry.system && one.value === entry.value);
    return again ?? entry;
  });
}

/** Identifiers with those that the resource no longer has marked `use: old`. */
function retired(identifiers: unknown, old: NonNullable<MergeChange['retire']>): unknown {
  if (!Array.isArray(identifiers)) return identifiers;
  return identifiers.map((entry: unknown) =>
    isEntry(entry) && old.some(({ system, value }) => entry.system === system && entry.value === value)
      ? { ...entry, use: 'old' }
      : entry,
  );
}

/** A sub-element that is `null` was deleted by the source. */
function withoutNulls(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null));
}

/** Security labels only grow by a merge: a source that does not repeat a label has not lifted it. */
function mergeMeta(current: Resource | undefined, set: Resource): Resource['meta'] {
  const security = union(current?.meta?.security ?? [], set.meta?.security ?? []);
  return { ...current?.meta, ...set.meta, ...(security.length > 0 ? { security } : {}) } as Resource['meta'];
}

/**
 * The content of the next version: without `id`, `meta.versionId` and `meta.lastUpdated`. Undefined when nothing changes
 * (identical content is acknowledged without a new version). A deletion gives a tombstone, undefined when it is one already.
 */
export function applyChange(current: StoredResource | undefined, change: Change): Resource | undefined {
  const before = current && bare(current);
  const after =
    change.mode === 'merge'
      ? bare(merge(before, change))
      : change.mode === 'delete'
        ? { resourceType: change.type, meta: { tag: [{ system: GATEWAY_TAG_SYSTEM, code: 'deleted' }] } }
        : bare(change.set);
  return before !== undefined && isDeepStrictEqual(before, after) ? undefined : after;
}

/** Time of a source that has said nothing of a resource yet that could be overwritten: the earliest Date. */
export const SAID_NOTHING = -8_640_000_000_000_000;

/** Elements of `set` by which a statement says whose resource it means, and how sensitive it is. */
const NAMES_ONLY = new Set(['resourceType', 'meta', 'subject', 'patient']);

/**
 * True for a statement that only fills what is empty and adds to lists, as a result does with the PID and PV1 that it repeats. It has no
 * part in the order of its source: it overwrites nothing, and an older statement of the event itself still counts after it.
 */
export function onlyAdds({ set, clear = [], parts, retire, revive, movedFrom }: MergeChange): boolean {
  if (clear.length > 0 || parts !== undefined || movedFrom !== undefined) return false;
  if (retire !== undefined || revive === true) return false;
  return Object.entries(set).every(([name, value]) => NAMES_ONLY.has(name) || isEmpty(value));
}

/**
 * What a statement still adds when a newer one of its source stands already, so that the order of arrival does not matter: entries
 * of lists, labels, what has no value yet, and, where the Change names its whole (`change.whole`), that if nobody has stated it, and every
 * other element that has no value. Undefined when that is nothing.
 */
export function applyLate(current: StoredResource, change: MergeChange): Resource | undefined {
  const { meta, ...elements } = change.set;
  const isStated = change.whole?.some((name) => !isEmpty(current[name])) ?? false;
  const fills = Object.entries(change.whole === undefined ? {} : elements).filter(
    ([name, value]) => (!isStated || change.whole?.includes(name) !== true) && !isContained(name, value),
  );
  return applyChange(current, {
    mode: 'merge',
    type: change.type,
    keys: change.keys,
    sourceTime: change.sourceTime,
    set: { resourceType: change.type, ...(meta && { meta }), ...advanced(current, change) },
    initial: { ...change.initial, ...Object.fromEntries(fills) },
    append: change.append ?? {},
    ...(change.retire && { retire: change.retire }),
  });
}

/** What is contained and what refers to it are one statement (R4 rule dom-3): one of them alone is never filled in. */
function isContained(name: string, value: unknown): boolean {
  return (
    name === 'contained' || (isEntry(value) && typeof value.reference === 'string' && value.reference.startsWith('#'))
  );
}

function advanced(current: StoredResource, { advance = {}, set }: MergeChange): Record<string, unknown> {
  const names = Object.keys(advance).filter((name) => advance[name].includes(current[name]));
  return Object.fromEntries(names.map((name) => [name, set[name]]));
}

/** The content without what a server sets. */
function bare(resource: Resource): Resource {
  const { id: _id, meta, ...content } = resource;
  const { versionId: _version, lastUpdated: _updated, ...kept } = meta ?? {};
  return { ...content, ...(Object.keys(kept).length > 0 ? { meta: kept } : {}) } as Resource;
}
