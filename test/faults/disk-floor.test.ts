/**
 * Below the free-disk floor intake is refused by every protocol with its own clear error, while what is there can still be
 * read and the reads recorded; above it again everything is as before.
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { CT_IMAGE_STORAGE, SAMPLE_CT, sampleCtDataSet } from '../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { openAssociation } from '../../src/clients/dicom.ts';
import { EXPLICIT_VR_LITTLE_ENDIAN } from '../../src/formats/dicom/uid.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';
import { answersTo } from '../support/network.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'anamnesis-disk-'));
const ROOM = { FREE_DISK_FLOOR_BYTES: '1000000' };
/** The highest floor there is, more than this disk has: the gateway takes it for full. */
const FULL = { FREE_DISK_FLOOR_BYTES: String(2 ** 40) };
const free = statfsSync(tmpdir());
let gateway: GatewayProcess | undefined;
afterAll(async () => {
  await gateway?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

async function send(running: GatewayProcess, n: number): Promise<string> {
  return (await answersTo(running.mllp, [sampleOru(n)]))[0];
}

async function store(running: GatewayProcess): Promise<number> {
  const context = { sopClassUid: CT_IMAGE_STORAGE, transferSyntaxUid: EXPLICIT_VR_LITTLE_ENDIAN };
  const peer = { ...running.dicom, calledAe: 'ANAMNESIS', callingAe: 'DISK', timeoutMs: 20_000 };
  const association = await openAssociation(peer, [context]);
  const { sopInstanceUid } = SAMPLE_CT;
  const { status } = await association.store({ ...context, sopInstanceUid, dataSet: [sampleCtDataSet(SAMPLE_CT)] });
  await association.release();
  return status;
}

it.skipIf(free.bavail * free.bsize >= 2 ** 40)(
  'refuses intake below the floor, serves reads, and takes it up again above',
  async () => {
    let running = (gateway = await startGatewayProcess({ dataDir, env: ROOM }));
    const token = (
      await runCommand(['token', '--role', 'practitioner', '--sub', 'dr-disk'], { dataDir, env: ROOM })
    ).stdout.trim();
    const fhir = async (path: string, body?: object): Promise<{ status: number; json: any }> => {
      const response = await fetch(`${running.http}/fhir/${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, json: await response.json() };
    };
    expect(await send(running, 1)).toContain('\rMSA|AA|');
    await running.stop();

    running = gateway = await startGatewayProcess({ dataDir, env: FULL });
    expect(await send(running, 2)).toMatch(/\rMSA\|AE\|BENCH-00000002.*\rERR\|.*207\^.*disk/s);
    expect(await fhir('Patient', { resourceType: 'Patient' })).toMatchObject({
      status: 507,
      json: { resourceType: 'OperationOutcome', issue: [{ code: 'no-store' }] },
    });
    expect(await store(running)).toBe(0xa700);
    expect((await fetch(`${running.http}/readyz`)).status).toBe(503);
    const found = await fhir('DiagnosticReport?identifier=BENCH-F-00000001');
    expect(found).toMatchObject({ status: 200, json: { total: 1 } });
    expect((await fhir(`DiagnosticReport/${found.json.entry[0].resource.id}`)).status).toBe(200);
    expect((await fhir('DiagnosticReport?identifier=BENCH-F-00000002')).json.total).toBe(0);
    await running.stop();

    running = gateway = await startGatewayProcess({ dataDir, env: ROOM });
    expect(await send(running, 2)).toContain('\rMSA|AA|');
    expect(await store(running)).toBe(0);
    expect((await fhir('DiagnosticReport?identifier=BENCH-F-00000002')).json.total).toBe(1);
  },
);
