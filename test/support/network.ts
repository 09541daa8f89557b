/**
 * Several whole gateways in one process, each with its own database, keys and data directory, that witness and mirror each
 * other over links which a test can cut. For tests of replication.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway, type Gateway } from '../../src/app.ts';
import { cosigners } from '../../src/app/network.ts';
import type { Command } from '../../src/cli/command.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { silentLog, type Log, type LogFields } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import type { KeySet } from '../../src/keys/key-set.ts';
import { cosignerKey } from '../../src/ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../src/ledger/note.ts';
import { systemClock } from '../../src/core/clock.ts';
import { issueToken } from '../../src/identity/sign-token.ts';
import { connectMllp } from '../../src/clients/mllp.ts';
import { fileKeyProvider } from '../../src/storage/key-file.ts';
import { openLink, type Link } from './link.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

export interface Member {
  readonly name: string;
  readonly origin: string;
  readonly keys: KeySet;
  readonly link: Link;
  readonly dataDir: string;
  readonly database: TestDatabase;
  readonly events: LogFields[];
  /** Base URL through the link, as peers see it. */
  readonly url: string;
  gateway: Gateway | undefined;
  config: Config;
}

export interface TestNetwork {
  readonly members: readonly Member[];
  /** Environment of a member's commands and processes, its policy file written; with `database`, on another one. */
  environment(member: Member, database?: TestDatabase): Record<string, string>;
  /** Starts a member with its policy; with `database`, on another one; with `env`, with further settings. */
  start(member: Member, database?: TestDatabase, env?: Readonly<Record<string, string>>): Promise<Gateway>;
  stop(member: Member): Promise<void>;
  close(): Promise<void>;
}

export interface NetworkOptions {
  /** Mirrors needed, of all others. 0: no group of mirrors. */
  readonly mirrors?: number;
  /** Witnesses needed, of all others. */
  readonly witnesses?: number;
  /** Members that are mirrors of everybody else; default all. */
  readonly mirrorCount?: number;
  readonly env?: Readonly<Record<string, string>>;
}

const name = (at: number): string => `hospital-${at}`;

/** The policy of a member: every other is a log, a witness, and one of the first `mirrorCount` a mirror. */
export function policyText(members: readonly Member[], own: Member, options: NetworkOptions): string {
  const others = members.filter((member) => member !== own);
  const lines: string[] = [];
  for (const { origin, keys, url } of members) {
    lines.push(`log ${formatVkey(verifierKey(origin, KEY_ED25519, keys.log.rawPublicKey))} ${url}/ledger`);
  }
  const mirrors = others.slice(0, options.mirrorCount ?? others.length);
  for (const { name: label, origin, keys, url } of others) {
    const { witness, mirror } = cosigners(origin, keys);
    lines.push(`witness ${label}-witness ${formatVkey(cosignerKey(witness))} ${url}/witness`);
    if (mirrors.some((member) => member.origin === origin) && options.mirrors !== 0) {
      lines.push(`witness ${label}-mirror ${formatVkey(cosignerKey(mirror))} ${url}/mirror`);
    }
  }
  const withMirrors = options.mirrors !== 0;
  if (withMirrors)
    lines.push(`group mirrors ${options.mirrors ?? 1} ${mirrors.map((m) => `${m.name}-mirror`).join(' ')}`);
  lines.push(`group witnesses ${options.witnesses ?? 1} ${others.map((m) => `${m.name}-witness`).join(' ')}`);
  lines.push(withMirrors ? 'group accepted all mirrors witnesses' : 'group accepted all witnesses', 'quorum accepted');
  return `${lines.join('\n')}\n`;
}

/** Makes `count` gateways that know each other; none is started yet. */
export async function createNetwork(count: number, options: NetworkOptions = {}): Promise<TestNetwork> {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis-network-'));
  const members: Member[] = [];
  for (let at = 1; at <= count; at += 1) {
    const dataDir = mkdtempSync(join(root, `${name(at)}-`));
    const { keySet } = await fileKeyProvider({ path: join(dataDir, 'gateway.key'), random: systemRandom }).load({
      create: true,
    });
    const link = await openLink();
    members.push({
      name: name(at),
      origin: `${name(at)}.example/anamnesis`,
      keys: keySet,
      link,
      dataDir,
      database: await createTestDatabase(),
      events: [],
      url: `http://127.0.0.1:${link.port}`,
      gateway: undefined,
      config: undefined as unknown as Config,
    });
  }
  const environment = (member: Member, database: TestDatabase): Record<string, string> => {
    const policy = join(member.dataDir, 'policy');
    writeFileSync(policy, policyText(members, member, options));
    return {
      HTTP_PORT: '0',
      MLLP_PORT: '0',
      DICOM_PORT: '0',
      DATA_DIR: member.dataDir,
      DATABASE_URL: database.url,
      DATABASE_CONNECTIONS: '6',
      GATEWAY_ORIGIN: member.origin,
      LEDGER_POLICY_FILE: policy,
      ...options.env,
    };
  };
  const stop = async (member: Member): Promise<void> => {
    member.link.target = undefined;
    member.link.cut();
    await member.gateway?.close();
    member.gateway = undefined;
  };
  return {
    members,
    environment: (member, database = member.database) => environment(member, database),
    async start(member, database = member.database, env = {}) {
      member.config = configOf({ ...environment(member, database), ...env }, member.dataDir);
      const gateway = await startGateway(member.config, recordingLog(member.events));
      member.gateway = gateway;
      member.link.target = { host: '127.0.0.1', port: Number(new URL(gateway.addresses.http).port) };
      return gateway;
    },
    stop,
    async close() {
      await Promise.all(members.map(stop));
      await Promise.all(members.map(({ link }) => link.close()));
      for (const { database } of members) await database.drop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The configuration of these settings; throws where they are wrong. */
export function configOf(env: Readonly<Record<string, string>>, folder: string): Config {
  const loaded = loadConfig(env, folder);
  if ('errors' in loaded) throw new Error(loaded.errors.join('; '));
  return loaded.config;
}

/** A log that keeps its warnings and errors. */
export function recordingLog(events: LogFields[]): Log {
  const keep = (fields: LogFields): void => void events.push(fields);
  return { ...silentLog, warn: keep, error: keep };
}

/** A practitioner's token of a member's own issuer. */
export function practitionerToken({ origin, keys, config }: Member): Promise<string> {
  const issuer = { origin, audience: config.tokenAudience, key: keys.issuer };
  return issueToken(issuer, { role: 'practitioner', subject: 'dr-test' }, systemClock, systemRandom);
}

/** Sends HL7 v2 messages to a listener, one after the other on one connection; what it answered. */
export async function answersTo(
  listener: string | { readonly host: string; readonly port: number },
  messages: readonly (Buffer | string)[],
): Promise<string[]> {
  const [host = '', port = ''] = typeof listener === 'string' ? listener.split(':') : [listener.host, listener.port];
  const client = await connectMllp({ host, port: Number(port), timeoutMs: 30_000 });
  try {
    const answers: string[] = [];
    for (const message of messages) answers.push((await client.send(Buffer.from(message))).toString());
    return answers;
  } finally {
    client.close();
  }
}

/** Sends HL7 v2 messages to a running member; all must be accepted, or else it throws `not accepted`. */
export async function sendHl7(member: Pick<Member, 'gateway'>, messages: readonly (Buffer | string)[]): Promise<void> {
  for (const answer of await answersTo(member.gateway?.addresses.mllp ?? '', messages)) {
    if (!/MSA\|AA/.test(answer)) throw new Error(`not accepted: ${answer}`);
  }
}

/** Sizes of a log, by level. */
export interface Sizes {
  readonly durable: number;
  readonly mirrored: number;
  readonly witnessed: number;
}

/** What the gateway at this URL says of its own log. */
export async function sizesAt(url: string): Promise<Sizes> {
  return ((await (await fetch(`${url}/ledger/levels`)).json()) as { sizes: Sizes }).sizes;
}

/** Waits until all that is durable, more than `above` leaves, is mirrored and witnessed; the size of the log. */
export function settled(member: Member, { above = 0, ms = 60_000 } = {}): Promise<number> {
  return eventually(
    async () => {
      const { durable, mirrored, witnessed } = await sizesAt(member.gateway?.addresses.http ?? member.url);
      return durable > above && witnessed === durable && mirrored >= durable ? durable : undefined;
    },
    () => `${member.name} does not settle: ${JSON.stringify(member.events.slice(-5))}`,
    ms,
  );
}

/** Waits until `look` gives something, at most `ms`; then fails with what `describe` says. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  describe: () => string = () => 'it did not happen',
  ms = 60_000,
): Promise<T> {
  const until = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > until) throw new Error(describe());
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Runs an `anamnesis` command in this process; resolves with its exit code and what it printed. */
export async function runInProcess(
  command: Command,
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const lines = { out: [] as string[], err: [] as string[] };
  const code = await command(args, {
    env,
    cwd: tmpdir(),
    out: (line) => void lines.out.push(line),
    err: (line) => void lines.err.push(line),
  });
  return { code, out: lines.out.join('\n'), err: lines.err.join('\n') };
}
