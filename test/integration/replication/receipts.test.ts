/**
 * Receipts of a gateway whose log others cosign: the receipt of a record, a consent and a message carries the quorum's
 * signatures, and is accepted offline by our independent checker and by the Go packages with the policy file alone.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cosigners } from '../../../src/app/network.ts';
import { showMessage } from '../../../src/cli/messages-show.ts';
import { prove } from '../../../src/cli/prove.ts';
import { sampleOru } from '../../../src/cli/samples/hl7v2.ts';
import { verifyReceipt } from '../../../src/cli/verify-receipt.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { systemRandom } from '../../../src/core/random.ts';
import { issueToken } from '../../../src/identity/sign-token.ts';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import {
  createNetwork,
  eventually,
  policyText,
  practitionerToken,
  runInProcess,
  sendHl7,
  type Member,
  type TestNetwork,
} from '../../support/network.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-receipts-'));
const OPTIONS = { witnesses: 2 };
let network: TestNetwork;
let a: Member;
let policyFile: string;
let headers: Record<string, string>;
let patient: string;

const get = (path: string, prefer?: string): Promise<Response> =>
  fetch(a.url + path, { headers: { ...headers, ...(prefer === undefined ? {} : { prefer }) } });

async function post(path: string, body: object): Promise<{ id: string; leaf: string | null }> {
  const answer = await fetch(a.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(answer.status).toBe(201);
  return { id: ((await answer.json()) as { id: string }).id, leaf: answer.headers.get('anamnesis-leaf') };
}

async function check(text: string, policy = policyFile): Promise<{ code: number; out: string }> {
  const file = join(folder, 'r.tlog-proof');
  writeFileSync(file, text);
  return runInProcess(verifyReceipt, [file, '--policy', policy], {});
}

beforeAll(async () => {
  network = await createNetwork(3, OPTIONS);
  [a] = network.members as [Member];
  for (const member of network.members) await network.start(member);
  policyFile = join(folder, 'policy');
  writeFileSync(policyFile, policyText(network.members, a, OPTIONS));
  headers = { authorization: `Bearer ${await practitionerToken(a)}`, 'content-type': 'application/fhir+json' };
  patient = (await post('/fhir/Patient', { resourceType: 'Patient', birthDate: '1970-01-01' })).id;
}, 120_000);
afterAll(async () => {
  await network.close();
  rmSync(folder, { recursive: true, force: true });
});

it('of records, versions and messages carry the quorum, and wait for it where asked', async () => {
  await sendHl7(a, [Buffer.from(sampleOru(1))]);
  const { sizes } = (await (await fetch(`${a.url}/ledger/levels`)).json()) as { sizes: { durable: number } };
  const message = `/fhir/MessageHeader/m-${sizes.durable - 1}`;
  for (const path of [
    `/fhir/Patient/${patient}/$receipt`,
    `/fhir/Patient/${patient}/_history/1/$receipt`,
    `${message}/$receipt`,
    `${message}/_history/1/$receipt`,
  ]) {
    const answer = await get(path, 'ledger=witnessed, wait=20');
    expect([path, answer.status, answer.headers.get('preference-applied')]).toEqual([path, 200, 'ledger=witnessed']);
    expect(answer.headers.get('anamnesis-level')).toBe('witnessed');
    const { code, out } = await check(await answer.text());
    expect(out).toContain('the quorum `accepted` is met');
    expect(code).toBe(0);
  }
  const issuer = { origin: a.origin, audience: a.config.tokenAudience, key: a.keys.issuer };
  const operator = { role: 'system', subject: 'operator', scope: 'admin.read' };
  const token = await issueToken(issuer, operator, systemClock, systemRandom);
  const shown = await fetch(`${a.url}/admin/messages`, { headers: { authorization: `Bearer ${token}` } });
  const { messages } = (await shown.json()) as { messages: { leaf: number; level: string }[] };
  expect(messages).toEqual([expect.objectContaining({ leaf: sizes.durable - 1, level: 'witnessed' })]);
  const printed = await runInProcess(showMessage, [String(sizes.durable - 1)], network.environment(a));
  expect(printed.out).toMatch(/^level +witnessed$/m);
  expect((await get(`${message}/_history/2/$receipt`)).status).toBe(404);
  expect((await get('/fhir/MessageHeader/m-0/$receipt')).status).toBe(404);
});

it('of a leaf wait as well, without its document; the command makes the same', async () => {
  const { leaf } = await post('/fhir/Patient', { resourceType: 'Patient' });
  const answer = await get(`/ledger/receipt/${leaf}`, 'ledger=witnessed, wait=20');
  expect(answer.headers.get('anamnesis-level')).toBe('witnessed');
  expect((await answer.text()).split('\n').filter((line) => line.startsWith('—')).length).toBeGreaterThanOrEqual(4);
  expect((await get('/ledger/receipt/99999', 'ledger=witnessed, wait=20')).status).toBe(404);
  const { code, out } = await runInProcess(prove, ['--leaf', String(leaf)], network.environment(a));
  expect(code).toBe(0);
  expect(await check(`${out}\n`)).toMatchObject({ code: 0 });
});

it('are not enough where fewer have cosigned, and wrong where a line is forged', async () => {
  const text = await (await get(`/fhir/Patient/${patient}/$receipt`, 'ledger=witnessed, wait=20')).text();
  const lines = text.split('\n');
  const without = (name: RegExp): string => lines.filter((line) => !name.test(line)).join('\n');
  const fewer = await check(without(/^— hospital-2\.example\/anamnesis\/witness /));
  expect([fewer.code, fewer.out.split('\n').at(-1)]).toEqual([1, 'The receipt is not enough yet.']);
  expect(fewer.out).toContain('`accepted` is not met');
  const forged = lines.map((line) =>
    line.startsWith('— hospital-3.example/anamnesis/witness') ? line.replace(/.{8}$/, 'AAAAAAAA') : line,
  );
  expect((await check(forged.join('\n'))).out).toMatch(/WRONG quorum/);
  const stranger = join(folder, 'stranger');
  writeFileSync(stranger, policyText(network.members.slice(1), network.members[1] ?? a, OPTIONS).replace(/ 2 /, ' 1 '));
  expect((await check(text, stranger)).out).toMatch(/WRONG checkpoint +hospital-1.example\/anamnesis is not a log/);
});

it('say which level there is when the preferred one does not come in time', async () => {
  const others = network.members.slice(1);
  for (const member of others) await network.stop(member);
  const { leaf } = await post('/fhir/Patient', { resourceType: 'Patient' });
  const answer = await get(`/ledger/receipt/${leaf}`, 'ledger=witnessed, wait=1');
  expect([answer.status, answer.headers.get('anamnesis-level')]).toEqual([200, 'durable']);
  expect(answer.headers.get('preference-applied')).toBeNull();
  // Under the own signature alone: the newest checkpoint with a quorum does not cover it.
  expect((await answer.text()).split('\n').filter((line) => line.startsWith('—'))).toHaveLength(1);
  for (const member of others) await network.start(member);
  await eventually(async () =>
    (await get(`/ledger/receipt/${leaf}`)).headers.get('anamnesis-level') === 'witnessed' ? true : undefined,
  );
});

const program = fileURLToPath(new URL('../../interop/ledger', import.meta.url));
const goOptions = { cwd: program, env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' } } as const;
const hasGo = spawnSync('go', ['mod', 'download'], { ...goOptions, timeout: 60_000 }).status === 0;
if (!hasGo) console.info('`go` or golang.org/x/mod is not at hand: receipts are not checked with Go');

it.skipIf(!hasGo)(
  'are accepted by the Go packages, cosignatures included',
  async () => {
    const file = join(folder, 'go.tlog-proof');
    const text = await (await get(`/fhir/Patient/${patient}/$receipt`, 'ledger=witnessed, wait=20')).text();
    const vkey = formatVkey(verifierKey(a.origin, KEY_ED25519, a.keys.log.rawPublicKey));
    const witnesses = network.members
      .slice(1)
      .map(({ origin, keys }) => formatVkey(cosignerKey(cosigners(origin, keys).witness)));
    const go = (content: string): ReturnType<typeof spawnSync> => {
      writeFileSync(file, content);
      return spawnSync(join(folder, 'interop'), ['receipt', file, vkey, ...witnesses], { encoding: 'utf8' });
    };
    execFileSync('go', ['build', '-o', join(folder, 'interop'), '.'], { ...goOptions, timeout: 110_000 });
    const size = /\n\n[^\n]+\n(\d+)\n/.exec(text)?.[1];
    expect(go(text)).toMatchObject({ stderr: '', status: 0 });
    expect(go(text).stdout).toMatch(new RegExp(`^leaf \\d+ of ${size}, cosigned by 2\\n$`));
    expect(go(text.replace(`\n${size}\n`, `\n${Number(size) + 1}\n`)).status).toBe(1);
  },
  150_000,
);
