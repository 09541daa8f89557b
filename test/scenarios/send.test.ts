/** `anamnesis send` and `demo` against running gateways, over the real sockets. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sampleCtFile, sampleCtStudy } from '../../src/cli/samples/dicom.ts';
import { SAMPLE_STAY, sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

const root = mkdtempSync(join(tmpdir(), 'anamnesis send '));
const dataDir = join(root, 'data');
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await startGatewayProcess({ dataDir: root });
  mkdirSync(join(root, 'day', 'images'), { recursive: true });
  const file = (name: string, content: string | Buffer): void => writeFileSync(join(root, 'day', name), content);
  file('stay.hl7', SAMPLE_STAY.map(({ text }) => text).join(''));
  const messages = [1, 2, 3].map((n) => sampleOru(n));
  file('batch.hl7', `FHS|^~\\&|A\rBHS|^~\\&|A\r${messages.join('')}BTS|3\rFTS|1\r`);
  for (const [i, ct] of sampleCtStudy(4).entries()) file(join('images', `IM${i}`), sampleCtFile(ct));
  file('doctor.json', JSON.stringify({ resourceType: 'Practitioner', id: 'dr-demo', name: [{ family: 'Muster' }] }));
  file('notes.txt', 'not for sending');
});
afterAll(async () => {
  await gateway.stop();
  rmSync(root, { recursive: true, force: true });
});

function address({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}

async function send(...args: string[]): ReturnType<typeof runCommand> {
  const where = ['--mllp', address(gateway.mllp), '--dicom', address(gateway.dicom), '--fhir', `${gateway.http}/fhir`];
  return runCommand(['send', ...where, ...args], { dataDir: root, cwd: root });
}

test('a folder with all three protocols: every acknowledgement is counted', async () => {
  const { code, stdout, stderr } = await send('day');
  expect(stdout.split('\n')).toEqual([
    'MLLP: 7 accepted, 0 refused (7 × AA)',
    'C-STORE: 4 accepted, 0 refused (4 × 0000)',
    'FHIR: 1 accepted, 0 refused (1 × 201)',
    'skipped: 1 files that are neither HL7 v2, DICOM nor FHIR JSON',
    '',
  ]);
  expect([code, stderr]).toEqual([0, '']);
});

test('sent again, everything is acknowledged again and nothing changes', async () => {
  const leaves = async (): Promise<string> =>
    (await (await fetch(`${gateway.http}/ledger/checkpoint`)).text()).split('\n')[1];
  // The study is settled some time after its association has ended.
  const { stdout: token } = await runCommand(['token', '--role', 'practitioner', '--sub', 'dr'], { dataDir: root });
  const headers = { authorization: `Bearer ${token.trim()}` };
  const studies = async (): Promise<number> =>
    ((await (await fetch(`${gateway.http}/fhir/ImagingStudy`, { headers })).json()) as { total: number }).total;
  await expect.poll(studies, { timeout: 30_000 }).toBe(1);
  const before = await leaves();
  const { code, stdout } = await send('day/stay.hl7', 'day/batch.hl7', 'day/images');
  expect([code, stdout]).toEqual([0, expect.stringContaining('7 × AA')]);
  expect(await leaves()).toBe(before);
});

test('what is refused is named with its reason, and the exit code is 1', async () => {
  writeFileSync(join(root, 'bad.hl7'), 'MSH|^~\\&|A|B|C|D|20250311||ZZZ^Z99|1|P|9.9\r');
  writeFileSync(join(root, 'cut.hl7'), `BHS|^~\\&|A\r${sampleOru(9)}BTS|2\r`);
  writeFileSync(join(root, 'empty.hl7'), 'nothing');
  writeFileSync(join(root, 'bad.json'), '{"resourceType":"Patient","gender":"x"}');
  writeFileSync(join(root, 'notfhir.json'), '[]');
  writeFileSync(join(root, 'bad.dcm'), 'nothing');
  const { code, stdout } = await send('bad.hl7', 'cut.hl7', 'empty.hl7', 'bad.json', 'notfhir.json', 'bad.dcm');
  expect(code).toBe(1);
  for (const line of [
    /MLLP: 0 accepted, 3 refused/,
    /bad\.hl7: AR, 203/,
    /cut\.hl7: not sent, its trailer counts 2 messages, it holds 1/,
    /empty\.hl7: not sent, no HL7 v2 message in it/,
    /bad\.json: 422/,
    /notfhir\.json: not sent, not a FHIR resource/,
    /bad\.dcm: not sent, not a DICOM file/,
  ]) {
    expect(stdout).toMatch(line);
  }
});

test('a gateway that does not answer is said, protocol by protocol', async () => {
  const nowhere = ['--mllp', '127.0.0.1:1', '--dicom', '127.0.0.1:1', '--fhir', 'http://127.0.0.1:1/fhir'];
  const { code, stdout } = await runCommand(['send', ...nowhere, 'day'], { dataDir: root, cwd: root });
  expect(code).toBe(1);
  expect(stdout.match(/no answer/g)?.length).toBeGreaterThan(5);
});

test('a port of 0 must be said, and files must be there', async () => {
  expect(await runCommand(['send', 'day/stay.hl7'], { dataDir: root, cwd: root })).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('--mllp'),
  });
  expect(await send('missing.hl7')).toMatchObject({ code: 64 });
  expect(await send()).toMatchObject({ code: 64 });
});

test('the demo comes out as it should and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await runCommand(['demo'], { dataDir, cwd: root });
  expect(stdout).toContain('All of it came out as it should');
  expect(stdout.match(/^\[\d\/8\]/gm)).toHaveLength(8);
  expect([code, stderr]).toEqual([0, '']);
});
