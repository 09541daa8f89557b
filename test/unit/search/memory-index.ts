/** An in-memory blind index: what Postgres and the search service do, in a few lines, to prove plans against a scan. */
import { subjectOf } from '../../../src/formats/fhir/references.ts';
import type { StoredResource } from '../../../src/formats/fhir/resource.ts';
import { indexEntries } from '../../../src/search/extract.ts';
import type { Plan, TokenSet } from '../../../src/search/plan.ts';

interface Row {
  readonly token: string;
  readonly sortTime: number;
  readonly resource: StoredResource;
}

export class MemoryIndex {
  readonly resources: StoredResource[] = [];
  readonly #rows = new Map<string, Row[]>();

  add(resource: StoredResource): void {
    this.resources.push(resource);
    const { gateway, patient, sortTime } = indexEntries(resource);
    const owner = subjectOf(resource)?.split('/').at(-1);
    const put = (token: string): void => {
      const rows = this.#rows.get(token) ?? [];
      rows.push({ token, sortTime, resource });
      this.#rows.set(token, rows);
    };
    for (const parts of gateway) put(JSON.stringify(['gateway', parts]));
    for (const parts of patient) put(JSON.stringify([owner, parts]));
  }

  /** Candidates of a plan; `deep` intersects all token sets of a branch, else only the first is used. */
  candidates(plan: Plan, deep: boolean): ReadonlySet<StoredResource> {
    if (plan.kind === 'nothing') return new Set();
    if (plan.kind === 'ids') return new Set(this.resources.filter((resource) => plan.ids.includes(resource.id)));
    if (plan.kind === 'refused') throw new Error('refused');
    const found = new Set<StoredResource>();
    for (const patient of plan.patients ?? [undefined]) {
      for (const { all, from, to } of plan.branches) {
        const sets = (deep ? all : all.slice(0, 1)).map((set) => this.#read(set, patient, from, to));
        for (const resource of sets[0] ?? []) if (sets.every((set) => set.has(resource))) found.add(resource);
      }
    }
    return found;
  }

  #read(set: TokenSet, patient: string | undefined, from = -Infinity, to = Infinity): ReadonlySet<StoredResource> {
    const owner = set.secret === 'gateway' ? 'gateway' : patient;
    const rows = set.anyOf.flatMap((parts) => this.#rows.get(JSON.stringify([owner, parts])) ?? []);
    return new Set(rows.filter((row) => row.sortTime >= from && row.sortTime < to).map((row) => row.resource));
  }
}
