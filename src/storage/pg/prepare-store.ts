/**
 * Reads for preparing messages (ports: write/ports `PrepareStore`, `KeyStore`). Concurrent calls share round trips;
 * payloads and documents are immutable, so that their ciphertext may stand in a bounded cache.
 */
import { coalesce } from '../../core/coalesce.ts';
import { groupBy } from '../../core/group-by.ts';
import type { AliasHash, GroupNumber, LeafIndex, ResourceKey } from '../../core/ids.ts';
import { Lru } from '../../core/lru.ts';
import type { LockboxSlot } from '../../keys/index-secret.ts';
import type {
  HeadVersion,
  KeyStore,
  LockboxRow,
  PatientRow,
  PatientLink,
  PrepareStore,
  Resolved,
  StoredPayload,
} from '../../write/ports.ts';
import { storeError } from './errors.ts';
import { LINK_KINDS, wasActiveOf } from './link-kinds.ts';
import type { Pool } from './pool.ts';
import { statement } from './statement.ts';

const PAYLOAD_CACHE = 4_096;

const RESOLVE = statement('resolve');

const PAYLOADS = statement('payloads');
const MESSAGES = statement('find-messages');
const DOCUMENT = statement('document');
const LINKS = statement('patient-links');
const REPROCESSED = statement('reprocessed');
const BY_SLOT = statement('lockboxes-by-slot');
const BY_LEAF = statement('lockboxes-by-leaf');
const PATIENTS = statement('patients');
const RESERVE = statement('reserve-tags');

interface ResolveRow {
  readonly i: number;
  readonly resource: ResourceKey;
  readonly version: number | null;
  readonly grp: GroupNumber;
  readonly line: number;
  readonly own: number | null;
}

type LinkRow = Omit<PatientLink, 'kind' | 'wasActive'> & { readonly kind: number; readonly wasActive: number };

interface ResolveRequest {
  readonly aliases: readonly AliasHash[];
  readonly resources: readonly ResourceKey[];
  readonly source: number;
}

export function prepareStore(pool: Pool): PrepareStore {
  const cache = new Lru<GroupNumber, StoredPayload>(PAYLOAD_CACHE);

  const resolve = coalesce(
    async (requests: readonly ResolveRequest[]) => {
      const answers = new Map<ResolveRequest, Resolved>();
      for (const [source, same] of groupBy(requests, (request) => request.source)) {
        const resolved = await resolveBatch(pool, same, source);
        for (const request of same) answers.set(request, resolved);
      }
      return requests.map((request) => answers.get(request) ?? { aliases: new Map(), heads: new Map() });
    },
    { concurrency: 2, max: 32 },
  );

  const messages = coalesce(
    async (controls: readonly string[]) => {
      const { rows } = await pool
        .query<{ control: string; digest: string; leaf: LeafIndex }>({
          name: 'find-messages',
          text: MESSAGES,
          values: [controls],
        })
        .catch(storeError);
      const byControl = groupBy(rows, (row) => row.control);
      return controls.map((control) => byControl.get(control) ?? []);
    },
    { concurrency: 2, max: 64 },
  );

  const payload = coalesce(
    async (groups: readonly GroupNumber[]) => {
      const { rows } = await pool
        .query<{ grp: GroupNumber; lockbox: LeafIndex; body: Buffer }>({
          name: 'payloads',
          text: PAYLOADS,
          values: [groups],
        })
        .catch(storeError);
      const found = new Map(
        rows.map((row) => [row.grp, { group: row.grp, lockbox: row.lockbox, body: row.body }] as const),
      );
      for (const [group, stored] of found) cache.set(group, stored);
      return groups.map((group) => found.get(group));
    },
    { concurrency: 4 },
  );

  return {
    resolve(aliases, resources, source) {
      if (aliases.length === 0 && resources.length === 0)
        return Promise.resolve({ aliases: new Map(), heads: new Map() });
      return resolve({ aliases, resources, source });
    },
    async payloads(groups) {
      const stored = await Promise.all(groups.map(async (group) => cache.get(group) ?? payload(group)));
      return new Map(stored.filter((found) => found !== undefined).map((found) => [found.group, found]));
    },
    findMessages: (control) => messages(control),
    async links(patients) {
      const { rows } = await pool.query<LinkRow>(LINKS, [patients]).catch(storeError);
      return rows.map(({ kind, wasActive, ...row }) => ({
        ...row,
        kind: LINK_KINDS[kind],
        wasActive: wasActiveOf(wasActive),
      }));
    },
    async document(leaf) {
      const { rows } = await pool.query<{ body: Buffer }>(DOCUMENT, [leaf]).catch(storeError);
      return rows[0]?.body;
    },
    async reprocessed(leaf) {
      const { rows } = await pool.query<{ leaf: LeafIndex }>(REPROCESSED, [leaf]).catch(storeError);
      return rows[0]?.leaf;
    },
  };
}

async function resolveBatch(pool: Pool, requests: readonly ResolveRequest[], source: number): Promise<Resolved> {
  const aliases = [...new Set(requests.flatMap((request) => request.aliases))];
  const resources = [...new Set(requests.flatMap((request) => request.resources))];
  const hashes = Buffer.concat(aliases.map((hash) => Buffer.from(hash, 'base64url')));
  const { rows } = await pool
    .query<ResolveRow>({ name: 'resolve', text: RESOLVE, values: [hashes, aliases.length, resources, source] })
    .catch(storeError);
  const heads = new Map<ResourceKey, HeadVersion>();
  const found = new Map<AliasHash, ResourceKey>();
  for (const row of rows) {
    if (row.i >= 0) found.set(aliases[row.i], row.resource);
    if (row.version === null) continue;
    heads.set(row.resource, {
      resource: row.resource,
      version: row.version,
      group: row.grp,
      line: row.line,
      ownSourceTime: row.own ?? undefined,
    });
  }
  return { aliases: found, heads };
}

export function keyStore(pool: Pool): KeyStore {
  const reserve = coalesce(
    async (requests: readonly { leaf: LeafIndex; count: number }[]) => {
      const firsts = new Map<LeafIndex, number>();
      for (const [count, same] of groupBy(requests, (request) => request.count)) {
        const { rows } = await pool
          .query<{ leaf: LeafIndex; first: number }>(RESERVE, [same.map((request) => request.leaf), count])
          .catch(storeError);
        for (const row of rows) firsts.set(row.leaf, row.first);
      }
      return requests.map((request) => firsts.get(request.leaf));
    },
    { max: 512 },
  );
  const bySlot = coalesce(async (slots: readonly LockboxSlot[]) => {
    const { rows } = await pool
      .query<LockboxRow>({ name: 'by-slot', text: BY_SLOT, values: [slots] })
      .catch(storeError);
    const found = new Map(rows.map((row) => [row.slot, row]));
    return slots.map((slot) => found.get(slot));
  });
  const patient = coalesce(async (patients: readonly ResourceKey[]) => {
    const { rows } = await pool
      .query<{ patient: ResourceKey; wrap: Buffer; consent_leaf: LeafIndex | null }>({
        name: 'patients',
        text: PATIENTS,
        values: [patients],
      })
      .catch(storeError);
    const found = new Map(
      rows.map((row): [ResourceKey, PatientRow] => [
        row.patient,
        { patient: row.patient, wrap: row.wrap, consentLeaf: row.consent_leaf ?? undefined },
      ]),
    );
    return patients.map((key) => found.get(key));
  });
  return {
    async lockboxesBySlot(slots) {
      return (await Promise.all(slots.map(bySlot))).filter((row) => row !== undefined);
    },
    async lockboxesByLeaf(leaves) {
      const { rows } = await pool
        .query<LockboxRow>({ name: 'by-leaf', text: BY_LEAF, values: [leaves] })
        .catch(storeError);
      return rows;
    },
    async patients(patients) {
      return (await Promise.all(patients.map(patient))).filter((row) => row !== undefined);
    },
    async reserveTags(leaves, count) {
      const firsts = await Promise.all(leaves.map((leaf) => reserve({ leaf, count })));
      return new Map(
        leaves.flatMap((leaf, i) => {
          const first = firsts[i];
          return first === undefined ? [] : [[leaf, first] as const];
        }),
      );
    },
  };
}
