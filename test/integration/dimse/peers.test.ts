/** The senders that hospitals have, as far as this machine has them: DCMTK's, over real sockets; and the corpus by every one of them. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SAMPLE_CT, sampleCtFile, sampleCtStudy } from '../../../src/cli/samples/dicom.ts';
import { sendDicomFiles, type SentFile } from '../../../src/clients/dicom-files.ts';
import { GatewayError } from '../../../src/core/errors.ts';
import { readFileStart } from '../../../src/formats/dicom/part10.ts';
import { isStorableTransferSyntax } from '../../../src/formats/dicom/uid.ts';
import { startDicomGateway, type DicomGateway } from '../../support/dicom-gateway.ts';

const run = promisify(execFile);
const installed = (tool: string): boolean =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .some((dir) => statSync(join(dir, tool), { throwIfNoEntry: false })?.isFile() === true);
const hasDcmtk = installed('storescu') && installed('dcmsend') && installed('echoscu');
if (!hasDcmtk) console.log('DCMTK is not installed: storescu, dcmsend and echoscu are skipped');
const hasOrthanc = installed('Orthanc');
if (!hasOrthanc) console.log('Orthanc is not installed: skipped');
const corpora = process.env.CORPORA_DIR;
if (!corpora) console.log('CORPORA_DIR is not set: the DICOM corpus is skipped');

let folder: string;
let gateway: DicomGateway;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dicom peers-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => gateway.close());

const DCMTK_ENV = { env: { ...process.env, TCP_NODELAY: '1' }, maxBuffer: 1 << 26 };

/** The data set of a DICOM file. */
function dataSetOf(bytes: Buffer): Buffer {
  const start = readFileStart(bytes);
  if (start === undefined) throw new Error('no DICOM file');
  return bytes.subarray(start.dataSetOffset);
}

/** By SOP Instance UID, the data sets that the gateway keeps. */
async function storedDataSets(): Promise<Map<string, Buffer>> {
  const all = new Map<string, Buffer>();
  for (const document of gateway.documents()) all.set(document.sopInstanceUid, dataSetOf(await gateway.read(document)));
  return all;
}

describe.skipIf(!hasDcmtk)('DCMTK', () => {
  it('echoscu gets its echo', async () => {
    gateway = await startDicomGateway();
    await run('echoscu', ['127.0.0.1', String(gateway.port)], DCMTK_ENV);
  });

  it.each(['storescu', 'dcmsend'])('%s sends a study, and the data sets come back as they were', async (tool) => {
    gateway = await startDicomGateway();
    const paths = [];
    for (const ct of sampleCtStudy(20)) {
      const path = join(folder, `${tool}-${ct.instanceNumber}.dcm`);
      await writeFile(path, sampleCtFile({ ...ct, pixels: 256 }));
      paths.push(path);
    }
    await run(tool, ['127.0.0.1', String(gateway.port), ...paths], DCMTK_ENV);
    const stored = await storedDataSets();
    expect(stored.size).toBe(20);
    for (const [i, path] of paths.entries()) {
      expect(stored.get(sampleCtStudy(20)[i].sopInstanceUid)?.equals(dataSetOf(await readFile(path)))).toBe(true);
    }
    // The gateway hears of the end of the association after the sender.
    await expect.poll(() => [...new Set(gateway.told)], { timeout: 30_000 }).toEqual([SAMPLE_CT.studyInstanceUid]);
  });

  it('storescu is told that an object is a duplicate with other content', async () => {
    gateway = await startDicomGateway();
    const [one, other] = [join(folder, 'one.dcm'), join(folder, 'other.dcm')];
    await writeFile(one, sampleCtFile(SAMPLE_CT));
    await writeFile(other, sampleCtFile({ ...SAMPLE_CT, patientName: 'Someone^Else' }));
    const port = String(gateway.port);
    await run('storescu', ['127.0.0.1', port, one], DCMTK_ENV);
    await run('storescu', ['127.0.0.1', port, one], DCMTK_ENV);
    const answer = await run('storescu', ['-v', '127.0.0.1', port, other], DCMTK_ENV).catch(
      (thrown: { stdout: string; stderr: string }) => thrown,
    );
    expect(`${answer.stdout}${answer.stderr}`).toMatch(/0x0?111|DuplicateSOPInstance/i);
    expect(gateway.ledger.submissions).toHaveLength(1);
  });
});

/** A port that was free a moment ago: Orthanc cannot be told to take any. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe.skipIf(!hasOrthanc)('Orthanc', () => {
  it('sends what it holds', async () => {
    gateway = await startDicomGateway();
    const [http, dicom] = [await freePort(), await freePort()];
    const configuration = {
      StorageDirectory: join(folder, 'orthanc'),
      IndexDirectory: join(folder, 'orthanc'),
      HttpPort: http,
      DicomPort: dicom,
      DicomServerEnabled: false,
      AuthenticationEnabled: false,
      Plugins: [],
      DicomModalities: { gateway: ['ANAMNESIS', '127.0.0.1', gateway.port] },
    };
    const path = join(folder, 'orthanc.json');
    await writeFile(path, JSON.stringify(configuration));
    const orthanc = spawn('Orthanc', [path], { ...DCMTK_ENV, stdio: 'ignore' });
    const ended = new Promise((resolve) => orthanc.once('exit', resolve));
    const rest = async (resource: string, body: Buffer | string): Promise<unknown> =>
      (
        await fetch(`http://127.0.0.1:${http}${resource}`, {
          method: 'POST',
          body: typeof body === 'string' ? body : new Uint8Array(body),
        })
      ).json();
    try {
      while ((await fetch(`http://127.0.0.1:${http}/system`).catch(() => undefined))?.ok !== true)
        await new Promise((resolve) => setTimeout(resolve, 50));
      const { ID } = (await rest('/instances', sampleCtFile({ ...SAMPLE_CT, pixels: 300 }))) as { ID: string };
      expect(await rest('/modalities/gateway/store', JSON.stringify([ID]))).toMatchObject({
        InstancesCount: 1,
        FailedInstancesCount: 0,
      });
    } finally {
      orthanc.kill();
      await ended;
    }
    const stored = (await storedDataSets()).get(SAMPLE_CT.sopInstanceUid);
    expect(stored?.equals(dataSetOf(sampleCtFile({ ...SAMPLE_CT, pixels: 300 })))).toBe(true);
  });
});

describe.skipIf(!corpora)('corpus', () => {
  const walk = (dir: string): string[] =>
    readdirSync(dir).flatMap((name) =>
      statSync(join(dir, name)).isDirectory() ? walk(join(dir, name)) : [join(dir, name)],
    );
  const files = corpora ? walk(join(corpora, 'dicom')) : [];

  it('is taken or refused with the right status, file by file, and what was taken comes back as it was', async () => {
    gateway = await startDicomGateway();
    const sent: SentFile[] = [];
    const peer = { host: '127.0.0.1', port: gateway.port, calledAe: 'ANAMNESIS', callingAe: 'TEST', timeoutMs: 20_000 };
    for await (const each of sendDicomFiles(peer, files)) sent.push(each);
    expect(sent).toHaveLength(files.length);

    const outcomes = new Map<string, string[]>();
    const byUid = new Map<string, Buffer>();
    for (const { path, result } of sent) {
      const name = path.slice(join(corpora ?? '', 'dicom').length + 1);
      const outcome = result instanceof GatewayError ? result.code : result.status.toString(16).padStart(4, '0');
      outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), name]);
    }
    // No fault of ours, no busy, no aborted association: every refusal is one of these.
    expect([...outcomes.keys()].toSorted()).toEqual(
      ['0000', '0111', 'a900', 'c000', 'invalid-content', 'not-supported', 'unsupported-media-type'].filter((key) =>
        outcomes.has(key),
      ),
    );
    expect(outcomes.get('0000')?.length).toBeGreaterThan(100);
    expect(outcomes.get('0111')?.length).toBeGreaterThan(0);
    expect(outcomes.get('c000')).toContain('pydicom/MR_truncated.dcm');
    expect(outcomes.get('not-supported')).toContain('pydicom/dicomdirtests/DICOMDIR');
    expect(
      outcomes.get('unsupported-media-type')?.every((name) => !name.endsWith('.dcm') || name.endsWith('no_meta.dcm')),
    ).toBe(true);

    for (const document of gateway.documents())
      byUid.set(document.sopInstanceUid, dataSetOf(await gateway.read(document)));
    for (const { path, result } of sent) {
      if (result instanceof GatewayError || result.status !== 0) continue;
      const bytes = readFileSync(path);
      const dataSet = dataSetOf(bytes);
      expect(
        [...byUid.values()].some((stored) => stored.equals(dataSet)),
        path,
      ).toBe(true);
    }
    for (const { transferSyntaxUid } of gateway.documents())
      expect(isStorableTransferSyntax(transferSyntaxUid)).toBe(true);
    expect(await gateway.stored()).toHaveLength(gateway.documents().length);
    expect(await gateway.temporary()).toEqual([]);
    console.log([...outcomes].map(([outcome, names]) => `${outcome}: ${names.length}`).join(', '));
  });

  it.skipIf(!hasDcmtk)('is taken from dcmsend, transfer syntax by transfer syntax', async () => {
    gateway = await startDicomGateway();
    await run(
      'dcmsend',
      [
        '-v',
        '--scan-directories',
        '--recurse',
        '--no-halt',
        '127.0.0.1',
        String(gateway.port),
        join(corpora ?? '', 'dicom'),
      ],
      DCMTK_ENV,
    ).catch(() => {});
    const syntaxes = new Set(gateway.documents().map(({ transferSyntaxUid }) => transferSyntaxUid));
    expect(gateway.documents().length).toBeGreaterThan(90);
    expect(syntaxes.size).toBeGreaterThan(5);
    expect(await gateway.stored()).toHaveLength(gateway.documents().length);
  });
});
