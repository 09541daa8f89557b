/** Which items of a group lost a race: they would write a key that another commit has written since they were prepared. */
import { formatUuid } from '../../core/random.ts';
import type { CommitItem, PackedItem } from '../../write/ports.ts';
import { columnsOf, itemPacker } from './packed-item.ts';
import type { Client } from './pool.ts';

/** Positions of the items to prepare again. Reads what is committed now; called only after a unique key was violated. */
export async function findLosers(client: Client, given: readonly (CommitItem | PackedItem)[]): Promise<Set<number>> {
  const pack = itemPacker();
  const items = given.map((item) => ('layout' in item ? item : pack(item)));
  const losers = new Set<number>();
  const owners = (
    table: Parameters<typeof columnsOf>[1],
    key: (columns: readonly Buffer[]) => string,
  ): Map<string, number> =>
    new Map(items.flatMap((item, i) => columnsOf(item, table).map((columns) => [key(columns), i] as const)));
  const lose = (map: ReadonlyMap<string, number>, taken: readonly string[]): void => {
    for (const key of taken) {
      const item = map.get(key);
      if (item !== undefined) losers.add(item);
    }
  };
  const ask = async (map: ReadonlyMap<string, number>, sql: string, parameter = [...map.keys()]): Promise<void> => {
    if (map.size === 0) return;
    const { rows } = await client.query<{ key: string }>(sql, [parameter]);
    lose(
      map,
      rows.map((row) => row.key),
    );
  };

  const messages = owners('message', ([control, digest]) => `${formatUuid(control)} ${formatUuid(digest)}`);
  await ask(
    messages,
    `select control::text || ' ' || digest::text as key from message where control = any($1::uuid[])`,
    [...messages.keys()].map((key) => key.slice(0, 36)),
  );
  await ask(
    owners('alias', ([hash]) => hash.toString('hex')),
    `select encode(hash, 'hex') as key from alias where hash in (select decode(h, 'hex') from unnest($1::text[]) h)`,
  );
  await ask(
    owners('lockbox', ([, slot]) => formatUuid(slot)),
    'select slot::text as key from lockbox where slot = any($1::uuid[])',
  );
  await ask(
    owners('patient', ([patient]) => formatUuid(patient)),
    'select patient::text as key from patient where patient = any($1::uuid[])',
  );
  await ask(
    owners('reprocessed', ([original]) => String(original.readBigInt64BE())),
    'select original::text as key from reprocessed where original = any($1::bigint[])',
  );
  await ask(
    owners('source', ([source, version]) => `${formatUuid(source)} ${version.readInt32BE()}`),
    `select source::text || ' ' || version::text as key from source_profile
      where source::text || ' ' || version::text = any($1::text[])`,
  );

  await ask(
    owners('link', ([patient, other, seq]) => `${formatUuid(patient)} ${formatUuid(other)} ${seq.readInt32BE()}`),
    `select patient::text || ' ' || other::text || ' ' || seq::text as key from patient_link
      where (patient, other, seq) in (
        select split_part(k, ' ', 1)::uuid, split_part(k, ' ', 2)::uuid, split_part(k, ' ', 3)::int from unnest($1::text[]) k)`,
  );

  // A version that exists already, or one whose predecessor is not there.
  const versions = owners('record', ([resource, version]) => `${formatUuid(resource)} ${version.readInt32BE()}`);
  if (versions.size > 0) {
    const { rows } = await client.query<{ key: string }>(
      `select r.resource::text || ' ' || w.version::text as key
         from unnest($1::uuid[], $2::int[]) as w(resource, version)
         join record r on r.resource = w.resource and r.version = w.version`,
      [[...versions.keys()].map((key) => key.slice(0, 36)), [...versions.keys()].map((key) => Number(key.slice(37)))],
    );
    lose(
      versions,
      rows.map((row) => row.key),
    );
  }
  return losers;
}
