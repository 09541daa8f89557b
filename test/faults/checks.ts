/**
 * What must hold after a crash: every acknowledged message is there exactly once and answers a resend as before, nothing
 * is there by half, and a resend changes nothing.
 */
import { expect } from 'vitest';
import { connectMllp } from '../../src/clients/mllp.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { resendReport, storeImages, TRANSACTION_OBSERVATIONS, type Account } from './traffic.ts';
import { query } from './victims.ts';

/** Observations of one report (`sampleOru`). */
const REPORT_OBSERVATIONS = 8;

export interface Checked {
  readonly gateway: GatewayProcess;
  readonly token: string;
  readonly dataDir: string;
  readonly account: Account;
}

interface Found {
  readonly id: string;
  readonly meta: { readonly versionId: string };
  readonly result?: readonly unknown[];
  readonly subject?: { readonly reference: string };
  readonly series?: readonly { readonly instance: readonly { readonly uid: string }[] }[];
}

async function search({ gateway, token }: Checked, path: string): Promise<Found[]> {
  const response = await fetch(`${gateway.http}/fhir/${path}`, { headers: { authorization: `Bearer ${token}` } });
  const bundle = (await response.json()) as { total?: number; entry?: { resource: Found }[] };
  expect(response.status, `${path.split('?')[0]}: ${JSON.stringify(bundle).slice(0, 400)}`).toBe(200);
  const found = (bundle.entry ?? []).map(({ resource }) => resource);
  expect(bundle.total).toBe(found.length);
  return found;
}

/** Runs `work` over all items, some at a time. */
async function overAll<T>(items: readonly T[], work: (item: T) => Promise<void>, width = 8): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
    }),
  );
}

/**
 * Sends reports again. Acknowledged ones must get the very bytes they got before; `strict`: and the log must not grow.
 * What was sent in vain is acknowledged now.
 */
export async function resendReports(checked: Checked, numbers: readonly number[], strict: boolean): Promise<void> {
  const { gateway, account, dataDir } = checked;
  const resend = async (some: readonly number[]): Promise<void> => {
    await overAll([0, 1, 2, 3], async (part) => {
      const client = await connectMllp({ ...gateway.mllp, timeoutMs: 60_000 });
      for (let i = part; i < some.length; i += 4) {
        const answer = await resendReport(client, some[i]);
        const before = account.reports.get(some[i]);
        if (before === undefined) account.reports.set(some[i], answer);
        else expect(answer.toString(), `acknowledgement of report ${some[i]}`).toBe(before.toString());
      }
      client.close();
    });
  };
  const rows = 'select (select size from log_head) as size, (select count(*) from record) as records';
  const before = await query(dataDir, rows);
  await resend(numbers.filter((n) => account.reports.get(n) !== undefined));
  if (strict) expect(await query(dataDir, rows), 'a resend changes nothing').toEqual(before);
  await resend(numbers.filter((n) => account.reports.get(n) === undefined));
}

/** Each report's DiagnosticReport is there once, at its first version, with all its Observations and nothing twice. */
export async function checkReports(checked: Checked, numbers: readonly number[]): Promise<void> {
  await overAll(numbers, async (n) => {
    const order = String(n).padStart(8, '0');
    const reports = await search(checked, `DiagnosticReport?identifier=BENCH-F-${order}`);
    expect(reports.length, `DiagnosticReports of order ${n}`).toBe(1);
    const [{ meta, result, subject }] = reports;
    expect(meta.versionId).toBe('1');
    expect(result).toHaveLength(REPORT_OBSERVATIONS);
    const observations = await search(checked, `Observation?patient=${subject?.reference}&_count=100`);
    expect(observations.map((observation) => observation.meta.versionId)).toEqual(Array(REPORT_OBSERVATIONS).fill('1'));
  });
}

/** Each transaction is there wholly and once, or not at all; not at all only where it was not acknowledged. */
export async function checkTransactions(checked: Checked, identifiers: readonly string[]): Promise<void> {
  await overAll(identifiers, async (identifier) => {
    const acknowledged = checked.account.transactions.get(identifier);
    const patients = await search(checked, `Patient?identifier=urn:fault%7C${identifier}`);
    if (acknowledged !== undefined) expect(patients.map(({ id }) => id)).toEqual([acknowledged]);
    expect(patients.length).toBeLessThanOrEqual(1);
    for (const { id } of patients) {
      expect(await search(checked, `Observation?patient=${id}`)).toHaveLength(TRANSACTION_OBSERVATIONS);
    }
  });
}

/** Stores every image again: the acknowledged ones are known (0000), the others are taken now. Then each study is there once, whole. */
export async function checkImages(checked: Checked): Promise<void> {
  const { gateway, account } = checked;
  const studies = new Map<string, string[]>();
  for (const { studyInstanceUid, sopInstanceUid } of account.images.keys()) {
    studies.set(studyInstanceUid, [...(studies.get(studyInstanceUid) ?? []), sopInstanceUid]);
  }
  await storeImages(gateway, [...account.images.keys()], account);
  expect([...account.images.values()].every(Boolean)).toBe(true);
  await overAll([...studies], async ([study, instances]) => {
    await expect
      .poll(
        async () => {
          const found = await search(checked, `ImagingStudy?identifier=urn:dicom:uid%7Curn:oid:${study}`);
          return found.map(({ series = [] }) =>
            series.flatMap(({ instance }) => instance.map(({ uid }) => uid)).toSorted(),
          );
        },
        { timeout: 30_000, interval: 250 },
      )
      .toEqual([instances.toSorted()]);
  });
}
