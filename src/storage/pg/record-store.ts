/**
 * Reads of records and of the blind index (port: services/record-store). Single reads of concurrent requests share round
 * trips; a search is one statement.
 */
import { coalesce } from '../../core/coalesce.ts';
import { PAYLOADS_PER_MANIFEST, type LeafIndex, type ResourceKey } from '../../core/ids.ts';
import type { Candidate, RecordStore, StoredVersion } from '../../services/record-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { tokenScan } from './token-scan.ts';

const COLUMNS = 'r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body';

/** Newest version below a group number. Index: record primary key, payload primary key. */
const CURRENT = `
  select ${COLUMNS}
    from unnest($1::uuid[]) w(resource)
    cross join lateral (select * from record where resource = w.resource and grp < $2 order by version desc limit 1) r
    join payload p on p.grp = r.grp`;
const VERSION = `select ${COLUMNS} from record r join payload p on p.grp = r.grp where r.resource = $1 and r.version = $2`;
const HISTORY = `
  select ${COLUMNS} from record r join payload p on p.grp = r.grp
   where r.resource = $1 and r.version < $2 order by r.version desc limit $3`;
const CONSENT =
  'select patient::text, consent_leaf from patient where patient = any($1::uuid[]) and consent_leaf is not null';
const SIZE = 'select size from log_head';

/** Larger than any group number. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

export function recordStore(pool: Pool): RecordStore {
  async function readCurrent(resources: readonly ResourceKey[], bound: number): Promise<StoredVersion[]> {
    const { rows } = await pool
      .query<StoredVersion>({ name: 'current', text: CURRENT, values: [resources, bound] })
      .catch(storeError);
    return rows;
  }

  const now = coalesce(
    async (resources: readonly ResourceKey[]) => {
      const found = new Map((await readCurrent([...new Set(resources)], NO_BOUND)).map((row) => [row.resource, row]));
      return resources.map((resource) => found.get(resource));
    },
    { concurrency: 4, max: 128 },
  );

  const consentLeaf = coalesce(
    async (patients: readonly ResourceKey[]) => {
      const { rows } = await pool
        .query<{ patient: ResourceKey; consent_leaf: LeafIndex }>({
          name: 'consent',
          text: CONSENT,
          values: [[...new Set(patients)]],
        })
        .catch(storeError);
      const found = new Map(rows.map((row) => [row.patient, row.consent_leaf]));
      return patients.map((patient) => found.get(patient));
    },
    { concurrency: 4, max: 128 },
  );

  return {
    async current(resources, size) {
      const rows =
        size === undefined
          ? (await Promise.all(resources.map(now))).filter((row) => row !== undefined)
          : resources.length === 0
            ? []
            : await readCurrent([...new Set(resources)], size * PAYLOADS_PER_MANIFEST);
      return new Map(rows.map((row) => [row.resource, row]));
    },
    async version(resource, version) {
      const { rows } = await pool
        .query<StoredVersion>({ name: 'version', text: VERSION, values: [resource, version] })
        .catch(storeError);
      return rows[0];
    },
    async history(resource, before, limit) {
      const { rows } = await pool
        .query<StoredVersion>({ name: 'history', text: HISTORY, values: [resource, before, limit] })
        .catch(storeError);
      return rows;
    },
    async scan(scan) {
      const { text, values } = tokenScan(scan);
      const { rows } = await pool.query<Omit<Candidate, 'mask'> & { mask: string }>({ text, values }).catch(storeError);
      return rows.map((row) => ({ ...row, mask: BigInt.asUintN(64, BigInt(row.mask)) }));
    },
    async consentLeaves(patients) {
      const leaves = await Promise.all(patients.map(consentLeaf));
      const found = new Map<ResourceKey, LeafIndex>();
      patients.forEach((patient, i) => {
        const leaf = leaves[i];
        if (leaf !== undefined) found.set(patient, leaf);
      });
      return found;
    },
    async size() {
      const { rows } = await pool.query<{ size: number }>(SIZE).catch(storeError);
      return rows[0].size;
    },
  };
}
