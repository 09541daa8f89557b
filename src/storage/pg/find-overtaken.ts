/**
 * Which items of a group were overtaken while they were prepared, without writing a key that another commit has written: what an item
 * only reads, and what a source says again, makes no version, so that no unique key tells of it. Asked in the transaction of the commit,
 * after its rows: other items of the group count as well.
 */
import { formatUuid } from '../../core/random.ts';
import type { CommitItem, PackedItem } from '../../write/ports.ts';
import { columnsOf } from './packed-item.ts';
import type { Client } from './pool.ts';
import { statement } from './statement.ts';

const OVERTAKEN = statement('overtaken');

/** Next versions, as the item has their rows. */
interface Changed {
  readonly resource: string;
  readonly source: number;
  readonly sourceTime: number;
}

/** Positions of the items to prepare again; groups that neither read nor change anything ask nothing. */
export async function findOvertaken(
  client: Client,
  items: readonly (CommitItem | PackedItem)[],
): Promise<ReadonlySet<number>> {
  const read = items.flatMap(({ reads = [] }, i) => reads.map((one) => ({ i, ...one })));
  const changed = items.flatMap((item, i) => changedBy(item).map((one) => ({ i, ...one })));
  if (read.length === 0 && changed.length === 0) return new Set();
  const { rows } = await client.query<{ i: number }>({
    name: 'overtaken',
    text: OVERTAKEN,
    values: [
      read.map(({ i }) => i),
      read.map(({ resource }) => resource),
      read.map(({ version }) => version),
      changed.map(({ i }) => i),
      changed.map(({ resource }) => resource),
      changed.map(({ source }) => source),
      changed.map(({ sourceTime }) => sourceTime),
    ],
  });
  return new Set(rows.map(({ i }) => i));
}

function changedBy(item: CommitItem | PackedItem): readonly Changed[] {
  if (item.reads === undefined) return [];
  if (!('layout' in item)) return item.records.filter(({ version }) => version > 1);
  return columnsOf(item, 'record').flatMap(([resource, version, , , source, time]) =>
    version.readInt32BE() === 1
      ? []
      : [
          {
            resource: formatUuid(resource),
            source: source.readInt32BE(),
            sourceTime: Number(time.readBigInt64BE()),
          },
        ],
  );
}
