/**
 * Reads of records and of the blind index (port: services/record-store). Single reads of concurrent requests share round
 * trips; a search is one statement.
 */
import { coalesce } from '../../core/coalesce.ts';
import { GatewayError } from '../../core/errors.ts';
import { PAYLOADS_PER_MANIFEST, type GroupNumber, type LeafIndex, type ResourceKey } from '../../core/ids.ts';
import type { Candidate, Chart, Place, RecordStore, StoredVersion } from '../../services/record-store.ts';
import { storeError } from './errors.ts';
import type { Pool } from './pool.ts';
import { tokenScan } from './token-scan.ts';
import { statement } from './statement.ts';

const CURRENT = statement('current-versions');
const PLACES = statement('places');
const VERSION = statement('version');
const HISTORY = statement('history');
const WITHDRAWN = statement('withdrawn');
const CHARTS = statement('charts');
const SIZE = statement('log-size');

/** Larger than any group number. */
const NO_BOUND = Number.MAX_SAFE_INTEGER;

/**
 * Single reads go one batch at a time: what arrives meanwhile shares the next. With four at a time batches are smaller, and a
 * read costs a fifth more (measured: 2,200 to 3,000 reads/s at 32 connections).
 */
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
    { max: 128 },
  );

  async function readCharts(
    patients: readonly ResourceKey[],
    bound: number,
  ): Promise<ReadonlyMap<ResourceKey, readonly Chart[]>> {
    const { rows } = await pool
      .query<ChartRow>({ name: 'charts', text: CHARTS, values: [patients, bound] })
      .catch(storeError);
    const charts = new Map<ResourceKey, Chart[]>();
    for (const { root, patient, consentLeaf } of rows) {
      const theirs = charts.get(root) ?? [];
      const chart = { patient, consentLeaf: consentLeaf ?? undefined };
      if (patient === root) theirs.unshift(chart);
      else theirs.push(chart);
      charts.set(root, theirs);
    }
    return charts;
  }

  const chartsNow = coalesce(
    async (patients: readonly ResourceKey[]) => {
      const found = await readCharts([...new Set(patients)], NO_BOUND);
      return patients.map((patient) => found.get(patient) ?? []);
    },
    { max: 128 },
  );

  const place = coalesce(
    async (asked: readonly { readonly resource: ResourceKey; readonly bound: number }[]) => {
      const values = [asked.map(({ resource }) => resource), asked.map(({ bound }) => bound)];
      const { rows } = await pool
        .query<Place & { readonly i: number }>({ name: 'places', text: PLACES, values })
        .catch(storeError);
      const found = new Map(rows.map((row) => [row.i, row]));
      return asked.map((_, i) => found.get(i + 1));
    },
    { max: 512 },
  );

  const size = coalesce(
    async (asked: readonly number[]) => {
      const { rows } = await pool.query<{ size: number }>({ name: 'log-size', text: SIZE }).catch(storeError);
      return asked.map(() => rows[0].size);
    },
    { concurrency: 2 },
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
    async places(resources, size) {
      const asked = [...new Set(resources)];
      const found = await Promise.all(
        asked.map((resource) => place({ resource, bound: size * PAYLOADS_PER_MANIFEST })),
      );
      return new Map(asked.flatMap((resource, i) => (found[i] === undefined ? [] : [[resource, found[i]] as const])));
    },
    async version(resource, version) {
      const { rows } = await pool
        .query<StoredVersion>({ name: 'version', text: VERSION, values: [resource, version] })
        .catch(storeError);
      return rows[0];
    },
    async withdrawn(resources) {
      const { rows } = await pool
        .query<{ resource: ResourceKey; version: number }>({ name: 'withdrawn', text: WITHDRAWN, values: [resources] })
        .catch(storeError);
      return new Map(rows.map((row) => [row.resource, row.version]));
    },
    async history(resource, before, limit) {
      const { rows } = await pool
        .query<StoredVersion>({ name: 'history', text: HISTORY, values: [resource, before, limit] })
        .catch(storeError);
      return rows;
    },
    async scan(scan) {
      const { rows } = await pool.query<ScanRow>(tokenScan(scan)).catch(storeError);
      const bodies = new Map<GroupNumber, Buffer>();
      return rows.map(({ mask, body, ...row }) => {
        if (body !== null) bodies.set(row.group, body);
        const known = bodies.get(row.group);
        if (known === undefined) throw new GatewayError('integrity', 'a payload that the index names is not there');
        return { ...row, body: known, mask: BigInt.asUintN(64, BigInt(mask)) };
      });
    },
    async charts(patients, size) {
      if (size !== undefined) return readCharts([...new Set(patients)], size);
      const charts = await Promise.all(patients.map(chartsNow));
      return new Map(patients.map((patient, i) => [patient, charts[i]]));
    },
    size: () => size(0),
  };
}

type ChartRow = { readonly root: ResourceKey; readonly patient: ResourceKey; readonly consentLeaf: LeafIndex | null };

/** A row of a scan; the body stands in the first row of each group only. */
type ScanRow = Omit<Candidate, 'mask' | 'body'> & { readonly mask: string; readonly body: Buffer | null };
