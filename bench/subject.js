// A server under measurement in a process of its own: the product (`bin/anamnesis.js start`) or the baseline, both of which
// print the same table of addresses and `ready`. Each has a data directory of its own that goes away with it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PRODUCT = join(ROOT, 'bin', 'anamnesis.js');
/** Flags of node as `npm start` gives them; the baseline runs with the same. */
const FLAGS =
  JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts.start.match(/ --\S+(?=.* bin\/)/g) ?? [];
const BASELINE = join(ROOT, 'bench', 'baseline.js');

/** Starts `gateway` or `baseline`; resolves when it is ready. Throws with its output when it ends before. */
export async function startSubject(name, { profileDir }) {
  const dataDir = mkdtempSync(join(tmpdir(), `anamnesis-bench-${name}-`));
  const env = { ...process.env, DATA_DIR: dataDir, HTTP_PORT: '0', MLLP_PORT: '0', DICOM_PORT: '0', LOG_LEVEL: 'warn' };
  const command = name === 'gateway' ? [PRODUCT, 'start'] : [BASELINE];
  const profiled = profileDir === '' || name !== 'gateway' ? [] : ['--cpu-prof', '--cpu-prof-dir', profileDir];
  const flags = [...FLAGS.map((flag) => flag.trim()), ...profiled];
  const child = spawn(process.execPath, [...flags, ...command], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const remove = () => rmSync(dataDir, { recursive: true, force: true });
  try {
    const output = await untilReady(child);
    const row = (label) => new RegExp(`^ +${label} +(\\S+?),?(?: |$)`, 'm').exec(output)?.[1] ?? '';
    const [, host, port] = /^(.*):(\d+)$/.exec(row('MLLP')) ?? [];
    const stop = async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      remove();
    };
    const token = () => (name === 'gateway' ? productToken(env) : readFileSync(join(dataDir, 'token'), 'utf8'));
    return { name, pid: child.pid, fhir: row('FHIR'), mllp: { host, port: Number(port) }, dataDir, token, stop };
  } catch (error) {
    child.kill('SIGTERM');
    remove();
    throw error;
  }
}

async function untilReady(child) {
  let output = '';
  const ended = once(child, 'exit');
  const ready = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
        if (/^ready$/m.test(output)) resolve(true);
      });
    }
  });
  if ((await Promise.race([ready, ended])) !== true) throw new Error(`the subject did not start:\n${output}`);
  return output;
}

function productToken(env) {
  const args = [PRODUCT, 'token', '--role', 'practitioner', '--sub', 'dr-bench', '--ttl', '36000'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`no token: ${stderr}`);
  return stdout.trim();
}

/** Asks the subject's embedded Postgres; the socket's folder stands in the fifth line of its pid file. */
export async function ask(subject, sql) {
  const [pid, , , port, host] = readFileSync(join(subject.dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n');
  if (pid === '' || host === '') throw new Error('the embedded Postgres has no socket');
  const client = new pg.Client({ host, port: Number(port), user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
