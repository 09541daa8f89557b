/**
 * Which items of a group were overtaken while they were prepared, without writing a key that another commit has written: what a source
 * says again makes no version, so that no unique key tells of it. Two cases, both of statements of one source that were on their way at
 * once: what was said again has another version by now, and an older statement would overwrite what was said again.
 */
import { formatUuid } from '../../core/random.ts';
import type { CommitItem, PackedItem } from '../../write/ports.ts';
import { columnsOf } from './packed-item.ts';
import type { Client } from './pool.ts';
import { statement } from './statement.ts';

const OVERTAKEN = statement('overtaken');

/** Rows of the question, by column. */
interface Reads {
  readonly restated: { readonly items: number[]; readonly resources: string[]; readonly versions: number[] };
  readonly changed: {
    readonly items: number[];
    readonly resources: string[];
    readonly sources: number[];
    readonly times: number[];
  };
}

/** Positions of the items to prepare again. Asked in the transaction of the commit, after its rows; most groups ask nothing. */
export async function findOvertaken(
  client: Client,
  items: readonly (CommitItem | PackedItem)[],
): Promise<ReadonlySet<number>> {
  const reads: Reads = {
    restated: { items: [], resources: [], versions: [] },
    changed: { items: [], resources: [], sources: [], times: [] },
  };
  items.forEach((item, i) => ('layout' in item ? readPacked(item, i, reads) : readItem(item, i, reads)));
  const { restated, changed } = reads;
  if (restated.items.length === 0 && changed.items.length === 0) return new Set();
  const { rows } = await client.query<{ i: number }>({
    name: 'overtaken',
    text: OVERTAKEN,
    values: [
      restated.items,
      restated.resources,
      restated.versions,
      changed.items,
      changed.resources,
      changed.sources,
      changed.times,
    ],
  });
  return new Set(rows.map(({ i }) => i));
}

function readItem(item: CommitItem, i: number, { restated, changed }: Reads): void {
  if (item.prepared !== true) return;
  for (const { resource, version } of item.restated ?? []) {
    restated.items.push(i);
    restated.resources.push(resource);
    restated.versions.push(version);
  }
  for (const { resource, version, source, sourceTime } of item.records) {
    if (version === 1) continue;
    changed.items.push(i);
    changed.resources.push(resource);
    changed.sources.push(source);
    changed.times.push(sourceTime);
  }
}

function readPacked(item: PackedItem, i: number, { restated, changed }: Reads): void {
  if (item.restatedVersions === undefined) return;
  if (item.restatedVersions.length > 0) {
    columnsOf(item, 'restated').forEach(([resource], row) => {
      restated.items.push(i);
      restated.resources.push(formatUuid(resource));
      restated.versions.push(item.restatedVersions?.[row] ?? 0);
    });
  }
  for (const [resource, version, , , source, time] of columnsOf(item, 'record')) {
    if (version.readInt32BE() === 1) continue;
    changed.items.push(i);
    changed.resources.push(formatUuid(resource));
    changed.sources.push(source.readInt32BE());
    changed.times.push(Number(time.readBigInt64BE()));
  }
}
