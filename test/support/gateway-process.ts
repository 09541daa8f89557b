/**
 * The product as its users run it: `node bin/anamnesis.js start` in a process of its own, on free ports, with the data
 * directory it is given. For scenario and crash tests. What a test starts here it must stop.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const BIN = join(ROOT, 'bin', 'anamnesis.js');

export interface GatewayProcess {
  readonly pid: number;
  /** Base URL of the HTTP listener. */
  readonly http: string;
  readonly mllp: { readonly host: string; readonly port: number };
  readonly dicom: { readonly host: string; readonly port: number };
  /** Everything written to standard output and error so far. */
  output(): string;
  /** Sends the signal and resolves with the exit code, or the signal's name, once the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | string>;
  /** Resolves like `stop` when the process ends by itself. */
  readonly ended: Promise<number | string>;
}

export interface ProcessOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Environment of a gateway on free loopback ports. Nothing of the test's own environment but PATH and TMPDIR. */
export function gatewayEnvironment({ dataDir, env = {} }: ProcessOptions): Record<string, string> {
  const { PATH = '', TMPDIR } = process.env;
  const ports = { HTTP_PORT: '0', MLLP_PORT: '0', DICOM_PORT: '0' };
  return { PATH, ...(TMPDIR === undefined ? {} : { TMPDIR }), ...ports, DATA_DIR: dataDir, ...env };
}

/** Runs any `anamnesis` command to its end. */
export async function runCommand(
  args: readonly string[],
  options: ProcessOptions,
): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: gatewayEnvironment(options),
    cwd: options.cwd ?? ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (out.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out.stderr += chunk.toString()));
  return { code: await end(child), ...out };
}

async function end(child: ChildProcess): Promise<number | string> {
  const [code, signal]: unknown[] = await once(child, 'close');
  return typeof code === 'number' ? code : String(signal);
}

/** Starts a gateway and resolves when it has printed `ready`. Rejects with its output when it ends before. */
export async function startGatewayProcess(options: ProcessOptions): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [BIN, 'start'], {
    env: gatewayEnvironment(options),
    cwd: options.cwd ?? ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let wake = (): void => {};
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      wake();
    });
  }
  const ended = end(child);
  const ready = new Promise<void>((resolve) => {
    wake = () => {
      if (/^ready$/m.test(output)) resolve();
    };
  });
  await Promise.race([ready, ended]);
  if (!/^ready$/m.test(output)) throw new Error(`the gateway did not start:\n${output}`);
  const row = (name: string): string => new RegExp(`^ +${name} +(\\S+?),?(?: |$)`, 'm').exec(output)?.[1] ?? '';
  const address = (name: string): { host: string; port: number } => {
    const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(row(name)) ?? [];
    return { host, port: Number(port) };
  };
  return {
    pid: child.pid ?? 0,
    http: row('FHIR').replace(/\/fhir$/, ''),
    mllp: address('MLLP'),
    dicom: address('DIMSE'),
    output: () => output,
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}
