import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResourceKey } from '../../../src/core/ids.ts';
import type { Change, PatientRelation } from '../../../src/formats/fhir/change.ts';
import type { Resource } from '../../../src/formats/fhir/resource.ts';
import { linkPatients } from '../../../src/write/patient-links.ts';
import { reversed, type PatientLink } from '../../../src/write/ports.ts';
import type { Target } from '../../../src/write/target.ts';

interface Statement {
  readonly who: number;
  readonly other: number;
  readonly kind: PatientRelation['kind'];
  readonly time: number;
}

/** Patients and links in memory, with the store's contract. */
class Record {
  readonly patients: Resource[];
  readonly #links = new Map<string, PatientLink>();

  constructor(active: readonly (boolean | undefined)[]) {
    this.patients = active.map((one) => ({ resourceType: 'Patient', ...(one !== undefined && { active: one }) }));
  }

  links = async (): Promise<readonly PatientLink[]> => [...this.#links.values()];

  async say({ who, other, kind, time }: Statement): Promise<void> {
    const targets = [who, other].map((n) => this.#target(n));
    const changes = [who, other].map((_, i): Change => ({
      mode: 'merge',
      type: 'Patient',
      keys: [],
      sourceTime: time,
      set: { resourceType: 'Patient' },
      ...(i === 0 && { relation: { kind, other: 1 } }),
    }));
    const made = await linkPatients(this, changes, targets, 1_000);
    for (const link of made.flatMap((one) => [one, reversed(one)])) {
      const key = `${link.patient} ${link.other}`;
      expect(link.seq).toBe((this.#links.get(key)?.seq ?? 0) + 1);
      this.#links.set(key, link);
    }
    for (const [i, n] of [who, other].entries()) this.patients[n] = targets[i].next ?? this.patients[n];
  }

  #target(n: number): Target {
    return {
      key: `p${n}` as ResourceKey,
      type: 'Patient',
      id: `p${n}`,
      version: 1,
      current: { ...this.patients[n], id: `p${n}`, meta: { versionId: '1', lastUpdated: '' } },
      lockbox: undefined,
      ownSourceTime: undefined,
      newAliases: [],
      next: undefined,
      outcome: 'unchanged',
      sourceTime: 0,
      restatedAt: undefined,
      lateSubjects: new Set(),
      moved: false,
    };
  }

  /** What is to be seen of each patient, links in no order. */
  state(): readonly string[] {
    return this.patients.map(({ active, link }) => {
      const links = (Array.isArray(link) ? link : []).map((one) => JSON.stringify(one)).toSorted();
      return JSON.stringify([active, links]);
    });
  }
}

/** Merges go upwards only, so that none closes a circle; each pair at a time of its own. */
const statements = fc
  .uniqueArray(
    fc.record({
      pair: fc.constantFrom([0, 1], [0, 2], [1, 2], [2, 3]),
      kind: fc.constantFrom('replaced-by', 'seealso', 'none'),
      time: fc.integer({ min: 1, max: 500 }),
    }),
    { selector: ({ time }) => time, minLength: 1, maxLength: 10 },
  )
  .map((all) =>
    all.map(({ pair, kind, time }): Statement => ({
      who: pair[0],
      other: pair[1],
      kind: kind as Statement['kind'],
      time,
    })),
  );
const before = fc.array(fc.constantFrom(undefined, true, false), { minLength: 4, maxLength: 4 });

async function play(active: readonly (boolean | undefined)[], all: readonly Statement[]): Promise<Record> {
  const record = new Record(active);
  for (const one of all) await record.say(one);
  return record;
}

describe('statements about patients', () => {
  it('end the same in whatever order they arrive', async () => {
    await fc.assert(
      fc.asyncProperty(before, statements, fc.infiniteStream(fc.nat()), async (active, all, numbers) => {
        const shuffled = all
          .map((one) => [one, numbers.next().value as number] as const)
          .toSorted((a, b) => a[1] - b[1])
          .map(([one]) => one);
        const inOrder = await play(
          active,
          all.toSorted((a, b) => a.time - b.time),
        );
        expect((await play(active, shuffled)).state()).toEqual(inOrder.state());
      }),
    );
  });

  it('that are all undone leave every patient as before', async () => {
    await fc.assert(
      fc.asyncProperty(before, statements, async (active, all) => {
        const undone = all.map((one, i): Statement => ({ ...one, kind: 'none', time: 600 + i }));
        expect((await play(active, [...all, ...undone])).state()).toEqual(new Record(active).state());
      }),
    );
  });

  it('that are repeated make nothing new', async () => {
    await fc.assert(
      fc.asyncProperty(before, statements, async (active, all) => {
        const once = await play(active, all);
        const count = (await once.links()).length;
        for (const one of all) await once.say(one);
        expect((await once.links()).length).toBe(count);
        expect(once.state()).toEqual((await play(active, all)).state());
      }),
    );
  });

  it('of a merge that would close a circle are refused', async () => {
    const merge = (who: number, other: number, time: number): Statement => ({ who, other, kind: 'replaced-by', time });
    const record = await play([undefined, undefined, undefined, undefined], [merge(0, 1, 1), merge(1, 2, 2)]);
    await expect(record.say(merge(2, 0, 3))).rejects.toMatchObject({ code: 'conflict', expression: 'MRG-1' });
    await record.say(merge(2, 1, 4));
    expect(record.patients.map(({ active }) => active)).toEqual([false, undefined, false, undefined]);
  });
});
