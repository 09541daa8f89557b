/** Which items of a group lost a race: they would write a key that another commit has written since they were prepared. */
import type { CommitItem } from '../../write/ports.ts';
import type { Client } from './pool.ts';

/** Positions of the items to prepare again. Reads what is committed now; called only after a unique key was violated. */
export async function findLosers(client: Client, items: readonly CommitItem[]): Promise<Set<number>> {
  const losers = new Set<number>();
  const owners = <T>(pick: (item: CommitItem) => readonly T[], key: (value: T) => string): Map<string, number> => {
    const map = new Map<string, number>();
    items.forEach((item, i) => pick(item).forEach((value) => map.set(key(value), i)));
    return map;
  };
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

  const messages = owners(
    (item) => (item.message === undefined ? [] : [item.message]),
    (m) => `${m.control} ${m.digest}`,
  );
  await ask(
    messages,
    `select control::text || ' ' || digest::text as key from message where control = any($1::uuid[])`,
    [...messages.keys()].map((key) => key.slice(0, 36)),
  );
  const aliases = owners(
    (item) => item.aliases,
    (alias) => Buffer.from(alias.hash, 'base64url').toString('hex'),
  );
  await ask(
    aliases,
    `select encode(hash, 'hex') as key from alias where hash in (select decode(h, 'hex') from unnest($1::text[]) h)`,
  );
  await ask(
    owners(
      (item) => item.lockboxes,
      (box) => box.slot,
    ),
    'select slot::text as key from lockbox where slot = any($1::uuid[])',
  );
  await ask(
    owners(
      (item) => item.patients,
      (row) => row.patient,
    ),
    'select patient::text as key from patient where patient = any($1::uuid[])',
  );

  // A version that exists already, or one whose predecessor is not there.
  const versions = owners(
    (item) => item.records,
    (record) => `${record.resource} ${record.version}`,
  );
  if (versions.size > 0) {
    const { rows } = await client.query<{ key: string }>(
      `select r.resource::text || ' ' || w.version::text as key
         from unnest($1::uuid[], $2::int[]) as w(resource, version)
         join record r on r.resource = w.resource and r.version = w.version`,
      [
        items.flatMap((item) => item.records.map((record) => record.resource)),
        items.flatMap((item) => item.records.map((record) => record.version)),
      ],
    );
    lose(
      versions,
      rows.map((row) => row.key),
    );
  }
  return losers;
}
