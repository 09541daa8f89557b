/**
 * Compares the resources that two converters made of one HL7 v2 message, element by element: resources and array entries are
 * paired by what they have in common, references by the resources that they lead to. Read as equal, since it says the same: times of one moment in
 * another zone; one resource for a thing or one for each mention of it; a PractitionerRole that is nothing but its practitioner;
 * a resource without content and none. Private extensions, ids, display texts of references and times of processing are no part of it.
 */

type Json = Readonly<Record<string, unknown>>;

/** One element that the two do not agree on; undefined: it is absent on that side. */
export interface Difference {
  /** `Patient.name.family`; without array indexes. A whole resource that only one side has: `Patient`. */
  readonly path: string;
  readonly theirs: unknown;
  readonly ours: unknown;
}

/** An entry of a Bundle. */
export interface Bundled {
  readonly fullUrl: string;
  readonly resource: Json;
}

const PRIVATE = /^https:\/\/reportstream\.cdc\.gov\//;

/** The resources of a Bundle without private extensions, ids, texts and what is empty without them. */
export function bundled(bundle: unknown): Bundled[] {
  const entries = isObject(bundle) && Array.isArray(bundle.entry) ? bundle.entry : [];
  return entries.map(({ fullUrl, resource: { id: _id, text: _text, meta, ...rest } }) => {
    const { lastUpdated: _at, ...kept } = isObject(meta) ? meta : {};
    return { fullUrl, resource: object(stripped({ ...rest, meta: kept })) };
  });
}

function stripped(value: unknown): unknown {
  if (Array.isArray(value)) {
    const kept = value
      .filter((each) => !(isObject(each) && typeof each.url === 'string' && PRIVATE.test(each.url)))
      .map(stripped)
      .filter((each) => each !== undefined);
    return kept.length === 0 ? undefined : kept;
  }
  if (!isObject(value)) return value;
  const kept = Object.entries(value)
    .map(([name, member]) => [name, stripped(member)])
    .filter(([, member]) => member !== undefined);
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** All differences between two lists of resources, in the order of theirs. */
export function differences(all: readonly Bundled[], made: readonly Bundled[]): Difference[] {
  const { kept: theirs, sameAs } = withoutRepeats(withoutEmpty(all));
  const ours = withoutEmpty(made);
  const pairs = pairResources(theirs, ours);
  const theirNames = new Map<string, string>();
  const ourNames = new Map<string, string>();
  pairs.forEach(([their, our], i) => {
    const name = `${String((their ?? our)?.resource.resourceType)} ${i}`;
    if (their !== undefined) theirNames.set(their.fullUrl, name);
    if (our !== undefined) ourNames.set(our.fullUrl, name);
  });
  for (const [other, kept] of sameAs) theirNames.set(other, theirNames.get(kept) ?? kept);
  return pairs.flatMap(([their, our]) => {
    const path = String((their ?? our)?.resource.resourceType);
    const theirs = their && named(their.resource, theirNames);
    const ours = our && named(our.resource, ourNames);
    return theirs === undefined || ours === undefined ? [{ path, theirs, ours }] : compare(theirs, ours, path);
  });
}

/** Without resources that say nothing, and what refers to them. */
function withoutEmpty(list: readonly Bundled[]): readonly Bundled[] {
  const empty = new Set(list.flatMap(({ fullUrl, resource }) => (Object.keys(resource).length > 1 ? [] : [fullUrl])));
  return list
    .filter(({ fullUrl }) => !empty.has(fullUrl))
    .map(({ fullUrl, resource }) => ({ fullUrl, resource: object(withoutReferences(resource, empty)) }));
}

function withoutReferences(value: unknown, to: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) {
    const kept = value.map((each) => withoutReferences(each, to)).filter((each) => each !== undefined);
    return kept.length === 0 ? undefined : kept;
  }
  if (!isObject(value)) return value;
  if (typeof value.reference === 'string' && to.has(value.reference)) return undefined;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, withoutReferences(member, to)])
      .filter(([, member]) => member !== undefined),
  );
}

const DIRECTORY = new Set(['Practitioner', 'PractitionerRole', 'Organization', 'Location', 'Device']);

/** One for each thing of a directory, however often it is made; roles that only name a person are that person. */
function withoutRepeats(list: readonly Bundled[]): { kept: readonly Bundled[]; sameAs: ReadonlyMap<string, string> } {
  const sameAs = new Map<string, string>();
  for (let before = -1; before !== sameAs.size;) {
    before = sameAs.size;
    const seen = new Map<string, string>();
    for (const { fullUrl, resource } of list) {
      if (sameAs.has(fullUrl) || !DIRECTORY.has(String(resource.resourceType))) continue;
      const person = isObject(resource.practitioner) ? resource.practitioner.reference : undefined;
      const numbered =
        Array.isArray(resource.identifier) &&
        resource.identifier.some(({ value, type }) => value !== undefined && type !== undefined);
      const text = JSON.stringify([resource.resourceType, named(numbered ? resource.identifier : resource, sameAs)]);
      const known =
        resource.resourceType === 'PractitionerRole' && typeof person === 'string' ? person : seen.get(text);
      if (known === undefined) seen.set(text, fullUrl);
      else sameAs.set(fullUrl, sameAs.get(known) ?? known);
    }
  }
  return { kept: list.filter(({ fullUrl }) => !sameAs.has(fullUrl)), sameAs };
}

/** With the name of its target in place of each reference. */
function named(value: unknown, names: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((each) => named(each, names));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === 'reference' && typeof member === 'string' ? (names.get(member) ?? member) : named(member, names),
    ]),
  );
}

/** The same moment in one form, as precise as it was. */
function moment(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value))
    return value;
  return value.replace(/\+00:00$/, 'Z');
}

type Pair = readonly [theirs: Bundled | undefined, ours: Bundled | undefined];

/** Resources of one type by what they have most in common. */
function pairResources(theirs: readonly Bundled[], ours: readonly Bundled[]): Pair[] {
  const types = new Set([...theirs, ...ours].map(({ resource }) => resource.resourceType));
  return [...types].flatMap((type) => {
    const of = (list: readonly Bundled[]): Bundled[] => list.filter(({ resource }) => resource.resourceType === type);
    const [left, right] = [of(theirs), of(ours)];
    return paired(left, right, ({ resource }) => resource, left.length === 1 && right.length === 1 ? 0 : 2, false);
  });
}

/** Pairs by likeness, the most alike first; below `least` common values two stay apart. */
function paired<T>(
  theirs: readonly T[],
  ours: readonly T[],
  valueOf: (entry: T) => unknown,
  least: number,
  isNamed: boolean,
): [T | undefined, T | undefined][] {
  const scores = theirs.flatMap((their, i) =>
    ours.map((our, j) => ({ i, j, score: likeness(valueOf(their), valueOf(our), isNamed) })),
  );
  const matchOf = new Map<number, number>();
  const taken = new Set<number>();
  for (const { i, j, score } of scores.toSorted((a, b) => b.score - a.score || a.i - b.i || a.j - b.j)) {
    if (score < least || matchOf.has(i) || taken.has(j)) continue;
    matchOf.set(i, j);
    taken.add(j);
  }
  return [
    ...theirs.map((their, i): [T, T | undefined] => {
      const j = matchOf.get(i);
      return [their, j === undefined ? undefined : ours[j]];
    }),
    ...ours.flatMap((our, j): [undefined, T][] => (taken.has(j) ? [] : [[undefined, our]])),
  ];
}

/** How many values two have in common, at the same paths. */
function likeness(a: unknown, b: unknown, isNamed: boolean): number {
  const left = leaves(a, isNamed);
  const right = leaves(b, isNamed);
  let common = 0;
  for (const leaf of left) {
    const at = right.indexOf(leaf);
    if (at < 0) continue;
    right.splice(at, 1);
    common++;
  }
  return common;
}

/** `isNamed`: references name what they lead to, so that they can be compared. */
function leaves(value: unknown, isNamed: boolean, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((each) => leaves(each, isNamed, path));
  if (isObject(value))
    return Object.entries(value).flatMap(([name, member]) =>
      name === 'reference' && !isNamed ? [] : leaves(member, isNamed, `${path}.${name}`),
    );
  return [`${path}=${JSON.stringify(moment(value))}`];
}

function compare(theirs: unknown, ours: unknown, path: string, isReferring = false): Difference[] {
  if (Array.isArray(theirs) || Array.isArray(ours)) {
    const left: unknown[] = Array.isArray(theirs) ? theirs : theirs === undefined ? [] : [theirs];
    const right: unknown[] = Array.isArray(ours) ? ours : ours === undefined ? [] : [ours];
    // Two single entries are the same place, whatever they hold.
    const least = left.length === 1 && right.length === 1 ? 0 : 1;
    return paired(left, right, (entry) => entry, least, true).flatMap(([a, b]) => compare(a, b, path));
  }
  if (isObject(theirs) && isObject(ours)) {
    const members = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
    const refers = typeof ours.reference === 'string';
    return [...members].flatMap((name) => compare(theirs[name], ours[name], `${path}.${name}`, refers));
  }
  if (path.endsWith('.display') && typeof ours === 'string' && theirs === undefined && isReferring) return [];
  return JSON.stringify(moment(theirs)) === JSON.stringify(moment(ours)) ? [] : [{ path, theirs, ours }];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: unknown): Json {
  return isObject(value) ? value : {};
}
