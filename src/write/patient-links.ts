/**
 * Patients that are one person (DESIGN section 6, merge): from what a message says of its Patients to the statement that is
 * committed, and to `link` and `active` of both. Of two statements about a pair the one of the later time holds, in whatever
 * order they arrive. Nothing is rewritten: each patient keeps the records, and reads go by the links.
 */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import { LINKED_PATIENTS_MAX } from '../core/limits.ts';
import type { Change, PatientRelation } from '../formats/fhir/change.ts';
import { isTombstone, type Resource } from '../formats/fhir/resource.ts';
import { SAID_NOTHING } from './apply.ts';
import type { LinkKind, PatientLink, PrepareStore } from './ports.ts';
import { reversed } from './ports.ts';
import type { Target } from './target.ts';

interface Statement {
  readonly target: Target;
  readonly other: Target;
  readonly kind: PatientRelation['kind'];
  readonly sourceTime: number;
}

/**
 * The new statements of a message, each from the side of the patient that it was said of; `targets` (one a change) get their
 * next content. Throws `conflict` where a merge would close a circle (nobody would be left in use) or where two are to be parted whose
 * numbers are known as one patient; `business-rule` where too many would be one person.
 */
export async function linkPatients(
  store: Pick<PrepareStore, 'links'>,
  changes: readonly Change[],
  targets: readonly Target[],
  receivedAt: number,
): Promise<readonly PatientLink[]> {
  const statements = changes.flatMap((change, i): Statement[] => {
    if (change.mode !== 'merge' || change.relation === undefined) return [];
    const { kind, other } = change.relation;
    const statement = { target: targets[i], other: targets[other], kind };
    if (statement.target === statement.other) {
      // Both numbers are known as one patient already: there is nothing to join.
      if (kind !== 'none') return [];
      throw new GatewayError(
        'conflict',
        'the numbers of two are known as one patient: their records cannot be told apart',
        { expression: 'Patient.identifier' },
      );
    }
    return [{ ...statement, sourceTime: Math.min(change.sourceTime, receivedAt) }];
  });
  if (statements.length === 0) return [];
  const patients = statements.flatMap(({ target, other }) => [target.key, other.key]);
  const standing = new Links(await store.links([...new Set(patients)]));
  return statements.flatMap((statement) => say(standing, statement) ?? []);
}

/** Enters one statement; undefined when it changes nothing: a later one stands, or the same. */
function say(standing: Links, { target, other, kind, sourceTime }: Statement): PatientLink | undefined {
  const before = standing.between(target.key, other.key);
  if (before !== undefined && before.sourceTime > sourceTime) return undefined;
  if (before?.kind === kind && before.sourceTime === sourceTime) return undefined;
  if (kind === 'replaced-by' && standing.isReplacedBy(other.key, target.key)) {
    throw new GatewayError('conflict', 'this merge would close a circle of merges: undo the earlier one first (A37)', {
      expression: 'MRG-1',
    });
  }
  const merged = standing.replacement(target.key);
  const statement: PatientLink = {
    patient: target.key,
    other: other.key,
    seq: (before?.seq ?? 0) + 1,
    kind,
    wasActive: kind !== 'replaced-by' ? undefined : merged === undefined ? activeOf(target) : merged.wasActive,
    sourceTime,
  };
  const mergedBefore = new Map([target, other].map((one) => [one, standing.replacement(one.key)]));
  standing.enter(statement);
  standing.enter(reversed(statement));
  if (kind !== 'none' && standing.charts(target.key) > LINKED_PATIENTS_MAX) {
    throw new GatewayError(
      'business-rule',
      `more than ${LINKED_PATIENTS_MAX} patients would be one person: look whether the number is a dummy`,
      { expression: 'MRG-1' },
    );
  }
  for (const [one, another] of [
    [target, other],
    [other, target],
  ]) {
    const link = standing.between(one.key, another.key)?.kind ?? 'none';
    rewrite(one, (content) =>
      withLink(
        content,
        `Patient/${another.id}`,
        link,
        activeBy(content, mergedBefore.get(one), standing.replacement(one.key)),
      ),
    );
  }
  return statement;
}

/** The pairs as they stand, with what the message adds. */
class Links {
  readonly #byPatient = new Map<ResourceKey, Map<ResourceKey, PatientLink>>();

  constructor(rows: readonly PatientLink[]) {
    for (const row of rows) this.enter(row);
  }

  enter(link: PatientLink): void {
    const others = this.#byPatient.get(link.patient) ?? new Map<ResourceKey, PatientLink>();
    this.#byPatient.set(link.patient, others.set(link.other, link));
  }

  between(patient: ResourceKey, other: ResourceKey): PatientLink | undefined {
    return this.#byPatient.get(patient)?.get(other);
  }

  /** A link by which the patient was merged into another. */
  replacement(patient: ResourceKey): PatientLink | undefined {
    return [...(this.#byPatient.get(patient)?.values() ?? [])].find(({ kind }) => kind === 'replaced-by');
  }

  /** Patients that are one person with this one, itself included. */
  charts(patient: ResourceKey): number {
    const seen = new Set([patient]);
    for (const at of seen) {
      for (const { other, kind } of this.#byPatient.get(at)?.values() ?? []) if (kind !== 'none') seen.add(other);
    }
    return seen.size;
  }

  /** True when a chain of two merges and more leads from one patient to the other; a single one is only turned round. */
  isReplacedBy(patient: ResourceKey, other: ResourceKey): boolean {
    const seen = new Set([patient]);
    for (const at of seen) {
      for (const link of this.#byPatient.get(at)?.values() ?? []) {
        if (link.kind !== 'replaced-by' || (at === patient && link.other === other)) continue;
        if (link.other === other) return true;
        seen.add(link.other);
      }
    }
    return false;
  }
}

function standingOf({ next, current }: Target): Resource | undefined {
  return next ?? (current === undefined || isTombstone(current) ? undefined : current);
}

function activeOf(target: Target): boolean | undefined {
  const active = standingOf(target)?.active;
  return typeof active === 'boolean' ? active : undefined;
}

/** Gives the target another next content, where that differs. Its source time stays: this says nothing of the rest. */
function rewrite(target: Target, change: (content: Resource) => Resource): void {
  const standing = standingOf(target);
  if (standing === undefined) throw new GatewayError('integrity', 'a linked patient has no version');
  const next = change(standing);
  if (isDeepStrictEqual(next, standing)) return;
  if (target.next === undefined) {
    target.sourceTime = target.ownSourceTime ?? SAID_NOTHING;
    target.outcome = 'updated';
  }
  target.next = next;
}

/** What `active` becomes by the merges that stand: what it was before them when none is left. */
function activeBy(
  { active }: Resource,
  mergedBefore: PatientLink | undefined,
  mergedNow: PatientLink | undefined,
): unknown {
  if (mergedNow !== undefined) return false;
  return mergedBefore === undefined ? active : mergedBefore.wasActive;
}

/** The Patient with one entry of `link` for another (none for kind `none`), and with `active`, which undefined removes. */
export function withLink(patient: Resource, reference: string, kind: LinkKind, isActive: unknown): Resource {
  const { link, active: _before, ...content } = patient;
  const others = (Array.isArray(link) ? link : []).filter((entry: unknown) => !isLinkTo(entry, reference));
  const links: readonly unknown[] = kind === 'none' ? others : [...others, { other: { reference }, type: kind }];
  return {
    ...content,
    ...(isActive === undefined ? {} : { active: isActive }),
    ...(links.length > 0 && { link: links }),
    resourceType: patient.resourceType,
  };
}

function isLinkTo(entry: unknown, reference: string): boolean {
  if (typeof entry !== 'object' || entry === null || !('other' in entry)) return false;
  const { other } = entry;
  return typeof other === 'object' && other !== null && 'reference' in other && other.reference === reference;
}
