import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LeafIndex, ResourceKey } from '../../../src/core/ids.ts';
import type { Change } from '../../../src/formats/fhir/change.ts';
import { movingDocuments } from '../../../src/services/move-documents.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { documentSigner } from '../../../src/record/document.ts';
import { anchorNotices } from '../../../src/replication/anchor-notices.ts';
import { keepSource } from '../../../src/services/keep-source.ts';
import { sourceStore } from '../../../src/storage/pg/source-store.ts';
import { rebuild, type RebuildSummary } from '../../../src/services/rebuild.ts';
import type { CommitStore } from '../../../src/write/ports.ts';
import { rebuiltKeys } from '../../../src/services/rebuilt-keys.ts';
import { openFileBlobStore } from '../../../src/storage/blobs/fs.ts';
import { commitStore } from '../../../src/storage/pg/commit-store.ts';
import { isBlobNamed } from '../../../src/storage/pg/follower-store.ts';
import { withLedgerSource } from '../../../src/storage/pg/ledger-source.ts';
import { openLog } from '../../../src/storage/pg/open-log.ts';
import { openPool, type Pool } from '../../../src/storage/pg/pool.ts';
import { keyStore } from '../../../src/storage/pg/prepare-store.ts';
import { derivationStore } from '../../../src/storage/pg/derivation-store.ts';
import { createTestDatabase } from '../../support/postgres.ts';
import { ORIGIN, openTestWriter, type TestWriter } from '../../support/writer.ts';

/** Every table, every column, in key order. Tag counters of a rebuild start after the last number used, not reserved. */
const TABLES: Readonly<Record<string, string>> = {
  document: 'select * from document order by leaf',
  payload: 'select * from payload order by grp',
  tile: 'select * from tile order by level, idx',
  block: 'select * from block order by number',
  log_head: 'select * from log_head',
  lockbox: 'select leaf, slot, wrap from lockbox order by leaf',
  patient: 'select * from patient order by patient',
  alias: 'select * from alias order by hash',
  record: 'select * from record order by resource, version',
  token: 'select token::text, sort_time, grp, mask::text from token order by token, sort_time, grp, mask',
  message: 'select * from message order by control, digest',
  source_profile: 'select * from source_profile order by source, version',
  patient_link: 'select * from patient_link order by patient, other, seq',
  withdrawn: 'select * from withdrawn order by resource, version',
  move: 'select * from move order by leaf, anchor',
  quarantine: 'select * from quarantine order by leaf',
  reprocessed: 'select * from reprocessed order by original',
  suspension_statement: 'select * from suspension_statement order by leaf',
  peer_checkpoint: 'select * from peer_checkpoint order by leaf',
  restated: 'select * from restated order by resource, source, source_time, leaf',
};

let writer: TestWriter;
beforeAll(async () => {
  writer = await openTestWriter();
});
afterAll(() => writer.close());

/** What every tenth message says of its patient and another: merged (upwards only, so that there is no circle), linked, two people. */
const relation = (n: number): Change[] => {
  if (n % 10 > 0) return [];
  const [one, other] = [n % 7, (n * 3) % 7];
  if (one === other) return [];
  const kind = n % 30 === 0 ? 'none' : other < one ? 'replaced-by' : 'seealso';
  return [
    {
      mode: 'merge',
      type: 'Patient',
      keys: [['identifier', 'urn:mrn', `${other}`]],
      sourceTime: n,
      set: { resourceType: 'Patient' },
      relation: { kind, other: 0 },
    },
  ];
};

/** A visit of patient 1, and that it is one of patient 2. */
const visitMoved = (): Change[][] => {
  const patient = (value: string): Change => ({
    mode: 'merge',
    type: 'Patient',
    keys: [['identifier', 'urn:mrn', value]],
    sourceTime: 1,
    set: { resourceType: 'Patient' },
  });
  const visit = {
    mode: 'merge',
    type: 'Encounter',
    keys: [['visit', 'moved']],
    patient: 0,
    set: { resourceType: 'Encounter', status: 'finished', class: { code: 'AMB' }, subject: { reference: 'change:0' } },
  } as const;
  return [
    [patient('1'), { ...visit, sourceTime: 1_000 }],
    [patient('2'), patient('1'), { ...visit, sourceTime: 1_001, movedFrom: 1 }],
  ];
};

const changes = (n: number): Change[] => [
  {
    mode: 'merge',
    type: 'Patient',
    keys: [['identifier', 'urn:mrn', `${n % 7}`]],
    sourceTime: n,
    set: {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:mrn', value: `${n % 7}` }],
      name: [{ family: `Fam${n % 3}` }],
    },
  },
  {
    mode: 'merge',
    type: 'Observation',
    keys: [['filler', 'lab', `${n % 7}-${n % 6}`]],
    sourceTime: n + 3,
    set: {
      resourceType: 'Observation',
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: `${n % 5}-1` }] },
      subject: { reference: 'change:0' },
      valueQuantity: { value: n },
    },
  },
  {
    mode: 'merge',
    type: 'Practitioner',
    keys: [['identifier', 'urn:npi', `${n % 4}`]],
    sourceTime: n,
    set: { resourceType: 'Practitioner', active: true },
  },
  {
    mode: 'replace',
    type: 'Consent',
    id: `c${n % 7}`,
    keys: [],
    sourceTime: n,
    set: {
      resourceType: 'Consent',
      status: 'active',
      scope: { text: 's' },
      category: [{ text: `c${n}` }],
      patient: { reference: 'change:0' },
    },
  },
  ...relation(n),
];

/** Results with times of their own, so that a manifest has to say them. */
const manyResults = (count: number): Change[] =>
  Array.from({ length: count }, (_, i) => ({
    mode: 'merge',
    type: 'Observation',
    keys: [['filler', 'many', `${i}`]],
    sourceTime: 1000 + (i % 7),
    set: {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'change:0' },
      valueQuantity: { value: i },
    },
  }));

const letter = (): Change => ({
  mode: 'merge',
  type: 'DocumentReference',
  keys: [['document', 'd1']],
  sourceTime: 3000,
  set: {
    resourceType: 'DocumentReference',
    status: 'current',
    subject: { reference: 'change:0' },
    content: [{ attachment: { contentType: 'application/pdf', data: Buffer.alloc(90_000, 7).toString('base64') } }],
  },
});

it('derives every table again from documents, payloads and keys', { timeout: 180_000 }, async () => {
  for (let round = 0; round < 5; round += 1) {
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const n = round * 60 + i;
        return writer.writer.submit({
          kind: 'hl7v2',
          source: `lab${n % 2}`,
          control: `m${n}`,
          receivedAt: 1_700_000_000_000 + n,
          sourceTime: n,
          details: { n },
          raw: {
            bytes: Buffer.from(`message ${n}`.repeat(n === 7 ? 60_000 : 1)),
            contentType: 'x-application/hl7-v2+er7',
          },
          thread: n % 9 === 0 ? ['study', `${n}`] : undefined,
          changes: changes(n),
          answer: () => `ack ${n}`,
        } as never);
      }),
    );
  }
  // Messages that are kept as they are, of a patient known here and of nobody; one is made something of later.
  const kept = [];
  for (const n of [1, 1000]) {
    const { leaf } = await writer.writer.submit({
      kind: 'hl7v2',
      source: 'lab0',
      control: `kept ${n}`,
      receivedAt: 1_700_000_000_000,
      sourceTime: n,
      details: {},
      raw: { bytes: Buffer.from(`kept ${n}`), contentType: 'x-application/hl7-v2+er7' },
      about: [['identifier', 'urn:mrn', `${n}`]],
      quarantine: { code: 'unsupported-event', expression: 'MSH-9.2', text: 'not taken yet' },
      changes: [],
    });
    kept.push(leaf);
  }
  await writer.writer.submit({
    kind: 'hl7v2',
    source: 'lab0',
    receivedAt: 1_700_000_000_000,
    sourceTime: 1000,
    details: {},
    reprocessOf: kept[1],
    changes: changes(8),
  });
  // A message of more records than one sealed part of a manifest can name, twice: what it says stands the second time.
  for (const control of ['many', 'many again']) {
    const { results } = await writer.writer.submit({
      kind: 'hl7v2',
      source: 'lab0',
      control,
      receivedAt: 1_700_000_000_000,
      sourceTime: 2000,
      details: {},
      raw: { bytes: Buffer.from(control), contentType: 'x-application/hl7-v2+er7' },
      changes: [{ ...changes(3)[0], sourceTime: 2000 }, ...manyResults(2_100)],
    });
    expect(new Set(results.slice(1).map(({ outcome }) => outcome))).toEqual(
      new Set([control === 'many' ? 'created' : 'unchanged']),
    );
  }
  // A document that becomes a Binary with a blob.
  const named = (digest: Uint8Array): Promise<boolean> => isBlobNamed(writer.pool, digest);
  const folder = await mkdtemp(join(tmpdir(), 'anamnesis-blobs-'));
  const blobs = await openFileBlobStore(folder);
  await movingDocuments({ blobs, isBlobNamed: named, random: systemRandom }, writer.writer).submit({
    kind: 'hl7v2',
    source: 'lab0',
    control: 'letter',
    receivedAt: 1_700_000_000_000,
    sourceTime: 3000,
    details: {},
    changes: [{ ...changes(3)[0], sourceTime: 3000 }, letter()],
  });
  await rm(folder, { recursive: true });
  expect((await writer.pool.query('select 1 from payload where lockbox is null')).rowCount).toBe(1);
  for (const [n, change] of visitMoved().entries()) {
    const times = { receivedAt: 1_700_000_100_000 + n, sourceTime: 1_000 + n };
    await writer.writer.submit({ kind: 'hl7v2', source: 'adt', ...times, details: {}, changes: change });
  }
  const { rows } = await writer.pool.query<{ patient: ResourceKey }>('select patient::text from patient');
  for (const { patient } of rows) {
    await writer.writer.recordAccess({
      patient,
      event: {
        resourceType: 'AuditEvent',
        id: `a-${patient}`,
        meta: { versionId: '1', lastUpdated: '2024-01-01T00:00:00Z' },
        recorded: '2024-01-01T00:00:00Z',
        type: { code: 'rest' },
      } as never,
    });
  }

  const keeper = {
    store: sourceStore(writer.pool),
    keyring: writer.keyring,
    committer: writer.committer,
    sign: documentSigner(writer.keys.sign),
    random: systemRandom,
    clock: systemClock,
    defaultName: 'default',
  };
  for (const assigner of ['urn:x:1', 'urn:x:2'])
    await keepSource(keeper, { name: 'default', profile: { assigner }, by: 'test' });
  const anchor = anchorNotices(keeper.sign, (item) => writer.committer.commit(item));
  await anchor({ kind: 'suspension', statement: 'as it was signed\n' });
  await anchor({ kind: 'checkpoint', note: 'of another log\n' });
  await anchor({ kind: 'checkpoint', note: 'one\n', second: 'two\n', foundAt: 1_700_000_000_000 });

  const target = await createTestDatabase();
  const pool: Pool = openPool(target.config, { max: 4, statementTimeoutMs: 0 }, () => {});
  await openLog(pool, ORIGIN, writer.keys.fingerprint);
  // Killed again and again: each attempt commits some blocks more, or dies before it has said how far it is.
  const store = commitStore(pool);
  let left = 0;
  const dying: CommitStore = {
    ...store,
    commit: (items, append) => ((left -= 1) < 0 ? Promise.reject(new Error('killed')) : store.commit(items, append)),
  };
  const asked: number[] = [];
  const attempt = (): Promise<RebuildSummary> =>
    withLedgerSource(writer.pool, (source) =>
      rebuild({
        source: {
          ...source,
          documents: (from, limit) => {
            asked.push(from);
            return source.documents(from, Math.min(limit, 16));
          },
        },
        target: dying,
        keys: rebuiltKeys(keyStore(pool), writer.keys.master),
        derivation: derivationStore(pool),
        origin: ORIGIN,
        master: writer.keys.master,
        signPublicKey: writer.keys.sign.publicKey,
        saveEvery: 20,
        progress: () => {},
      }),
    );
  let summary: RebuildSummary | undefined;
  let attempts = 0;
  const begun: number[] = [];
  while (summary === undefined) {
    asked.length = 0;
    left = 12 + 7 * (attempts % 3);
    summary = await attempt().catch((error: unknown) => {
      if (!(error instanceof Error) || error.message !== 'killed') throw error;
      return undefined;
    });
    begun.push(asked[0] ?? 0);
    attempts += 1;
  }
  expect(attempts).toBeGreaterThan(3);
  // It went on, and did not read from the beginning.
  expect(begun).toEqual(begun.toSorted((x, y) => x - y));
  expect(begun.at(-1)).toBeGreaterThan(summary.documents / 2);
  const { rows: counted } = await writer.pool.query<{ blocks: number; records: number; documents: number }>(
    `select (select count(*) from block) as blocks, (select count(*) from record) as records, (select count(*) from document) as documents`,
  );
  expect([summary]).toEqual(counted);
  // And once more, after the end: nothing to do, the same report.
  expect(await attempt()).toEqual(summary);
  await derivationStore(pool).end();
  expect(summary.records).toBeGreaterThan(300);
  for (const [table, sql] of Object.entries(TABLES)) {
    const [before, after] = [await writer.pool.query(sql), await pool.query(sql)];
    expect(before.rows.length, table).toBeGreaterThan(0);
    expect(after.rows, table).toEqual(before.rows);
  }

  // The rebuilt database is a working gateway: it goes on where the other stood.
  const counters = await pool.query<{ leaf: LeafIndex }>('select a.leaf from lockbox a where a.next_tag < 1');
  expect(counters.rows).toEqual([]);
  await pool.end();
  const next = await openTestWriter({ database: target, keys: writer.keys });
  const accepted = await next.writer.submit({
    kind: 'hl7v2',
    source: 'lab0',
    control: 'new',
    receivedAt: 1_800_000_000_000,
    sourceTime: 1_800_000_000_000,
    details: {},
    changes: [{ ...changes(3)[0], sourceTime: 1_800_000_000_000 }],
  });
  expect(['updated', 'unchanged']).toContain(accepted.results[0].outcome);
  await next.close();
  await target.drop();
});
