/**
 * Which resource each change of a message means, and what that resource becomes (DESIGN section 6): business keys are
 * looked up in the alias table, current versions opened, changes applied in order. Several changes may mean one resource;
 * it still gets one new version.
 */
import { systemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import type { AliasHash, ResourceKey } from '../core/ids.ts';
import { pace } from '../core/next-turn.ts';
import { randomUuid, type Random } from '../core/random.ts';
import { parseChangeReference, type BusinessKey, type Change, type MergeChange } from '../formats/fhir/change.ts';
import { mapReferences, subjectOf } from '../formats/fhir/references.ts';
import { isTombstone, type Resource, type StoredResource } from '../formats/fhir/resource.ts';
import { aliasHash, resourceKey } from '../keys/index-secret.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { openLines } from '../record/open.ts';
import { applyChange, applyLate, onlyAdds, SAID_NOTHING } from './apply.ts';
import type { Keyring } from './keyring.ts';
import { isLinked } from './link-chain.ts';
import type { PrepareStore, Resolved } from './ports.ts';
import type { ResultOutcome } from './submission.ts';

/** One resource that a message is about. */
export interface Target {
  readonly key: ResourceKey;
  readonly type: string;
  readonly id: string;
  /** 0: the resource is new. */
  readonly version: number;
  readonly current: StoredResource | undefined;
  /** Lockbox of the current version. */
  readonly lockbox: Lockbox | undefined;
  readonly ownSourceTime: number | undefined;
  /** Business keys that are not in the alias table yet. */
  readonly newAliases: AliasHash[];
  /** Content of the next version; undefined: it stays as it is. */
  next: Resource | undefined;
  outcome: ResultOutcome;
  sourceTime: number;
  /** When the source said again what stands; undefined when it did not, or had said so later. */
  restatedAt: number | undefined;
  /** Patients whom late statements name as the subject: references. */
  readonly lateSubjects: Set<string>;
  /** True: the next version may be another patient's than the current one. */
  moved: boolean;
}

interface Identified {
  readonly key: ResourceKey;
  /** Set when the resource is new here. */
  readonly id: string | undefined;
  readonly newAliases: AliasHash[];
  /** Other resources that the keys of the change mean, by their key. */
  readonly rivals?: ReadonlyMap<BusinessKey, ResourceKey>;
  /** Keys of the change that are another patient's, who is not linked with this one. */
  readonly foreign?: readonly BusinessKey[];
}

export interface TargetDeps {
  readonly store: PrepareStore;
  readonly keyring: Keyring;
  readonly random: Random;
}

/** The hashes of every change's business keys, in the order of the changes. */
export function aliasHashes(keyring: Keyring, changes: readonly Change[]): readonly (readonly AliasHash[])[] {
  return changes.map((change) => change.keys.map((key) => aliasHash(keyring.gatewaySecret, change.type, key)));
}

/**
 * Finds or mints the resource of every change, opens current versions, applies. Returns one target a change (the same
 * object where two changes mean one resource). Throws `precondition-failed`, `conflict`, `not-found`.
 */
export async function findTargets(
  deps: TargetDeps,
  changes: readonly Change[],
  hashes: readonly (readonly AliasHash[])[],
  resolved: Resolved,
  receivedAt: number,
): Promise<readonly Target[]> {
  const identified = identify(deps, changes, hashes, resolved);
  for (const [i, one] of identified.entries())
    if (one.rivals !== undefined) identified[i] = await settleRivals(deps.store, changes[i], one, one.rivals);
  const current = await openHeads(
    deps,
    identified.map(({ key }) => key),
    resolved,
  );
  const byKey = new Map<ResourceKey, Target>();
  const targets = identified.map(({ key, id, newAliases }, i) => {
    let target = byKey.get(key);
    if (target === undefined) {
      const opened = current.get(key);
      const head = resolved.heads.get(key);
      target = {
        key,
        type: changes[i].type,
        id: opened?.resource.id ?? id ?? lost(),
        version: head?.version ?? 0,
        current: opened?.resource,
        lockbox: opened?.lockbox,
        ownSourceTime: head?.ownSourceTime,
        newAliases: [],
        next: undefined,
        outcome: 'unchanged',
        sourceTime: SAID_NOTHING,
        restatedAt: undefined,
        lateSubjects: new Set(),
        moved: false,
      };
      byKey.set(key, target);
    }
    for (const hash of newAliases) if (!target.newAliases.includes(hash)) target.newAliases.push(hash);
    return target;
  });
  changes.forEach((change, i) => {
    if (change.mode !== 'merge' || change.apart?.some((other) => targets[other] === targets[i]) !== true) return;
    throw new GatewayError(
      'conflict',
      'the numbers of two are known as one patient: their records cannot be told apart',
      {
        expression: `${change.type}.identifier`,
      },
    );
  });
  changes.forEach((change, i) => {
    if (change.mode !== 'merge' || change.onlyKnown === undefined || targets[i].version > 0) return;
    // What another statement of the message begins is known by then.
    const begins = (other: Change): boolean => other.mode !== 'merge' || other.onlyKnown === undefined;
    if (!changes.some((other, k) => targets[k] === targets[i] && begins(other)))
      throw notKnown(change.type, change.onlyKnown);
  });
  const references = targets.map((target) => `${target.type}/${target.id}`);
  const rest = pace();
  for (const [i, change] of changes.entries()) {
    const silent = change.mode === 'merge' && change.unless !== undefined && targets[change.unless] === targets[i];
    if (!silent) applyTo(targets[i], linked(ownNumbers(change, identified[i].foreign), references), receivedAt);
    if (change.mode === 'replace' && change.moved === true) targets[i].moved = true;
    const wait = rest();
    if (wait !== undefined) await wait;
  }
  return targets;
}

/** The refusal of a statement about what nobody has told before. `missing`: the segment without which it cannot begin. */
export function notKnown(type: string, missing: string): GatewayError {
  return new GatewayError(
    'required-missing',
    `without ${missing} the message is about a known ${type} only; send that first`,
    {
      expression: missing,
    },
  );
}

/**
 * Which of several resources a change means whose keys are known as more than one. Of patients that were merged it is the survivor, in
 * whatever order the numbers are sent; else the first, and the others' numbers are not its own. Throws `conflict` for a `sole` change, unless
 * they are merged patients: then the numbers are of one person already.
 */
async function settleRivals(
  store: Pick<PrepareStore, 'links'>,
  change: Change,
  one: Identified,
  rivalKeys: ReadonlyMap<BusinessKey, ResourceKey>,
): Promise<Identified> {
  const rivals = [...new Set(rivalKeys.values())];
  const links = change.type === 'Patient' ? await store.links([one.key]) : [];
  if (change.mode === 'merge' && change.sole === true) {
    if (rivals.every((rival) => isLinked(links, one.key, rival))) return one;
    throw new GatewayError('conflict', 'the old and the new number belong to two resources: a merge has to join them', {
      expression: `${change.type}.identifier`,
    });
  }
  const isReplaced = (key: ResourceKey): boolean =>
    links.some(
      ({ patient, kind, other }) => patient === key && kind === 'replaced-by' && rivals.concat(one.key).includes(other),
    );
  const survivor = [one.key, ...rivals].find((key) => !isReplaced(key) && isLinked(links, one.key, key));
  const foreign = [...rivalKeys].flatMap(([key, rival]) => (isLinked(links, one.key, rival) ? [] : [key]));
  return { ...one, ...(survivor !== undefined && { key: survivor }), ...(foreign.length > 0 && { foreign }) };
}

/** The change without identifiers by which another patient is known: a search by them must not find this one. */
function ownNumbers(change: Change, foreign: readonly BusinessKey[] | undefined): Change {
  if (foreign === undefined || change.mode !== 'merge') return change;
  const isForeign = (entry: unknown): boolean =>
    typeof entry === 'object' &&
    entry !== null &&
    'system' in entry &&
    'value' in entry &&
    foreign.some((key) => key.at(-2) === entry.system && key.at(-1) === entry.value);
  const identifier = change.append?.identifier?.filter((entry) => !isForeign(entry)) ?? [];
  return { ...change, append: { ...change.append, identifier } };
}

/** Other resources that the keys of a change mean, where that matters: for numbers that change, and for patients. */
function rivalsOf(
  change: MergeChange,
  owners: readonly (ResourceKey | undefined)[],
  known: ResourceKey,
): Pick<Identified, 'rivals'> {
  // A change that says how the patient stands to another means the one of its first number.
  const matters = change.sole === true || (change.type === 'Patient' && change.relation === undefined && !change.apart);
  if (!matters) return {};
  const rivals = new Map<BusinessKey, ResourceKey>();
  owners.forEach((owner, i) => {
    if (owner !== undefined && owner !== known) rivals.set(change.keys[i], owner);
  });
  return rivals.size === 0 ? {} : { rivals };
}

function lost(): never {
  throw new GatewayError('integrity', 'an alias names a resource that has no version');
}

/** Business keys and explicit ids to resource keys; mints ids for what is new. */
function identify(
  deps: TargetDeps,
  changes: readonly Change[],
  hashes: readonly (readonly AliasHash[])[],
  resolved: Resolved,
): Identified[] {
  const secret = deps.keyring.gatewaySecret;
  const fresh = new Map<AliasHash, { key: ResourceKey; id: string }>();
  return changes.map((change, i) => {
    const mine = hashes[i];
    if (change.mode !== 'merge') {
      const id = change.id ?? randomUuid(deps.random);
      const key = resourceKey(secret, change.type, id);
      const owners = mine.map((hash) => resolved.aliases.get(hash) ?? fresh.get(hash)?.key);
      if (change.id !== undefined && owners.some((owner) => owner !== undefined && owner !== key)) {
        throw new GatewayError('conflict', 'an identifier of this resource belongs to another resource', {
          expression: `${change.type}.identifier`,
        });
      }
      const newAliases = mine.filter((_, k) => owners[k] === undefined);
      for (const hash of newAliases) fresh.set(hash, { key, id });
      return { key, id, newAliases };
    }
    const owners = mine.map((hash) => resolved.aliases.get(hash));
    const known = owners.find((key) => key !== undefined);
    if (known !== undefined)
      return {
        key: known,
        id: undefined,
        ...rivalsOf(change, owners, known),
        newAliases: mine.filter((hash) => !resolved.aliases.has(hash) && !fresh.has(hash)),
      };
    const twin = mine.map((hash) => fresh.get(hash)).find((made) => made !== undefined);
    const id = twin?.id ?? randomUuid(deps.random);
    const made = twin ?? { key: resourceKey(secret, change.type, id), id };
    const newAliases = mine.filter((hash) => !fresh.has(hash));
    for (const hash of newAliases) fresh.set(hash, made);
    return { ...made, newAliases };
  });
}

/** Opens the current versions of the resources that have one. */
export async function openHeads(
  deps: Pick<TargetDeps, 'store' | 'keyring'>,
  keys: readonly ResourceKey[],
  resolved: Resolved,
): Promise<ReadonlyMap<ResourceKey, { resource: StoredResource; lockbox: Lockbox }>> {
  const heads = [...new Set(keys)].map((key) => resolved.heads.get(key)).filter((head) => head !== undefined);
  if (heads.length === 0) return new Map();
  const byGroup = groupBy(heads, (head) => head.group);
  const payloads = await deps.store.payloads([...byGroup.keys()]);
  const boxes = await deps.keyring.byLeaf([...payloads.values()].map((payload) => payload.lockbox));
  const opened = new Map<ResourceKey, { resource: StoredResource; lockbox: Lockbox }>();
  for (const [group, inGroup] of byGroup) {
    const payload = payloads.get(group);
    const lockbox = payload && boxes.get(payload.lockbox);
    if (payload === undefined || lockbox === undefined)
      throw new GatewayError('integrity', 'a payload that a record names is not there');
    const resources = openLines(systemPermit('apply'), lockbox, payload.body, inGroup, deps.keyring.gatewaySecret);
    inGroup.forEach((head, i) => {
      const resource = resources[i];
      if (resource !== undefined) opened.set(head.resource, { resource, lockbox });
    });
  }
  return opened;
}

/** The change with its placeholders replaced by real references. */
function linked(change: Change, references: readonly string[]): Change {
  if (change.mode === 'delete') return change;
  const link = (reference: string): string => {
    const index = parseChangeReference(reference);
    return index === undefined ? reference : (references[index] ?? reference);
  };
  const set = mapReferences(change.set, link);
  if (change.mode === 'replace') return { ...change, set };
  return {
    ...change,
    set,
    ...(change.append === undefined ? {} : { append: mapReferences(change.append, link) }),
    ...(change.initial === undefined ? {} : { initial: mapReferences(change.initial, link) }),
  };
}

function applyTo(target: Target, change: Change, receivedAt: number): void {
  checkPreconditions(target, change);
  // Times in the future are clamped, else one wrong clock would shut out every later correction.
  const adds = change.mode === 'merge' && onlyAdds(change);
  const sourceTime = adds ? SAID_NOTHING : Math.min(change.sourceTime, receivedAt);
  if (!adds && change.mode === 'merge' && target.ownSourceTime !== undefined && target.ownSourceTime > sourceTime) {
    applyLateTo(target, change, target.ownSourceTime);
    return;
  }
  const before = target.current === undefined || isTombstone(target.current) ? undefined : target.current;
  // A merge into something that was deleted begins anew; only a deletion looks at the tombstone.
  const standing =
    target.next !== undefined ? asStored(target, target.next) : change.mode === 'delete' ? target.current : before;
  const next = applyChange(standing, change);
  if (next === undefined) {
    if (change.mode === 'merge' && !adds) target.restatedAt = Math.max(target.restatedAt ?? sourceTime, sourceTime);
    return;
  }
  target.next = next;
  // A source never goes back, also where its clock does: the commit takes an earlier time for that of a statement that came late.
  target.sourceTime = Math.max(target.sourceTime, sourceTime, target.ownSourceTime ?? sourceTime);
  target.outcome = change.mode === 'delete' ? 'deleted' : before === undefined ? 'created' : 'updated';
}

/** A statement older than the one that stands: it may add, and the time of the newer one stays. */
function applyLateTo(target: Target, change: MergeChange, ownSourceTime: number): void {
  const subject = subjectOf(change.set);
  if (subject !== undefined) target.lateSubjects.add(subject);
  const standing = target.next === undefined ? target.current : asStored(target, target.next);
  const next = standing === undefined || isTombstone(standing) ? undefined : applyLate(standing, change);
  if (next === undefined) {
    if (target.next === undefined) target.outcome = 'stale';
    return;
  }
  target.next = next;
  target.sourceTime = Math.max(target.sourceTime, ownSourceTime);
  target.outcome = 'updated';
}

function asStored(target: Target, next: Resource): StoredResource {
  return { ...next, id: target.id, meta: { ...next.meta, versionId: '0', lastUpdated: '' } };
}

function checkPreconditions(target: Target, change: Change): void {
  if (change.mode === 'merge') return;
  const gone = target.current === undefined || isTombstone(target.current);
  if (change.ifVersion !== undefined && (gone || change.ifVersion !== String(target.version))) {
    throw new GatewayError(
      'precondition-failed',
      'the resource is at another version than If-Match says; read it again',
    );
  }
  if (change.mode === 'delete' && target.current === undefined)
    throw new GatewayError('not-found', 'there is no such resource');
}
