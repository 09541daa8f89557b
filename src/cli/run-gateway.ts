/**
 * Runs a gateway in the foreground: starts it, prints where everything is, then `ready`; drains on SIGTERM and Ctrl-C, with a
 * deadline; ends at once on a second signal.
 */
import type { Config } from '../config/config.ts';
import { describeError, type Log } from '../core/log.ts';
import { EXIT, type CliContext } from './command.ts';
import { strangersIn } from './environment.ts';

/** Where a running gateway is reached, after `0` ports have become real ones. */
export interface GatewayAddresses {
  /** Base URL of the HTTP listener, without a trailing slash. */
  readonly http: string;
  /** host:port */
  readonly mllp: string;
  /** host:port */
  readonly dicom: string;
}

export interface RunningGateway {
  readonly addresses: GatewayAddresses;
  /** For the table: which database, in a few words without secrets. */
  readonly database: string;
  /** What the operator has to know, one line each. */
  readonly warnings: readonly string[];
  /** Resolves when this process can write no more, since the keys were rotated. */
  readonly fenced: Promise<void>;
  /** Stops taking work, finishes what is in flight, closes everything in order. Idempotent. */
  close(): Promise<void>;
}

export type StartGateway = (config: Config, log: Log) => Promise<RunningGateway>;

/** What the operator has to know at every start. */
function warnings(config: Config, cwd: string): readonly string[] {
  const found: string[] = [];
  const strangers = strangersIn(cwd);
  if (strangers.length > 0)
    found.push(`WARNING: .env holds what is no setting, and is passed over: ${strangers.join(', ')}.`);
  if (config.keyPassphraseFile === undefined) {
    found.push(
      `WARNING: the key file ${config.keyFile} is protected by its file mode alone; whoever reads it and the database reads every record. Set KEY_PASSPHRASE_FILE.`,
    );
  }
  for (const name of ['databaseUrl', 'databaseAdminUrl'] as const) {
    const url = config[name];
    if (url !== undefined && isPlainAndRemote(url)) {
      found.push(
        `WARNING: ${name === 'databaseUrl' ? 'DATABASE_URL' : 'DATABASE_ADMIN_URL'} reaches another machine without TLS; add ?sslmode=verify-full (and &sslrootcert=FILE).`,
      );
    }
  }
  return found;
}

/** Whether what goes to the database can be read on the way. A socket's folder stands in place of the host, or in the query. */
function isPlainAndRemote(databaseUrl: string): boolean {
  if (!URL.canParse(databaseUrl)) return false;
  const { hostname, searchParams } = new URL(databaseUrl);
  const host = decodeURIComponent(searchParams.get('host') ?? hostname);
  if (['', 'localhost', '127.0.0.1', '[::1]', '::1'].includes(host) || host.startsWith('/')) return false;
  return [null, 'disable'].includes(searchParams.get('sslmode')) && searchParams.get('ssl') === null;
}

function table(gateway: RunningGateway, config: Config): readonly string[] {
  const { http, mllp, dicom } = gateway.addresses;
  const rows = [
    ['FHIR', `${http}/fhir`],
    ['MLLP', `${mllp}${config.mllp.tls === undefined ? '' : ' (TLS)'}`],
    ['DIMSE', `${dicom}, called ${config.aeTitle}${config.dicom.tls === undefined ? '' : ' (TLS)'}`],
    ['ledger', `${http}/ledger/checkpoint`],
    ['API page', `${http}/api`],
    ['data', config.dataDir],
    ['database', gateway.database],
    ['try', 'npx anamnesis token --role practitioner --sub dr-demo   (and `npx anamnesis help`)'],
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`);
}

/** Resolves when the first stop signal arrives; a second one ends the process at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(signal === 'SIGINT' ? 130 : 143);
        asked = true;
        resolve(signal);
      });
    }
  });
}

/** Milliseconds beyond the deadlines of the three listeners after which the process ends whatever still hangs. */
const GRACE_MS = 20_000;

/** Runs until a signal; resolves with the exit code. */
export async function runGateway(
  startGateway: StartGateway,
  config: Config,
  log: Log,
  context: CliContext,
): Promise<number> {
  const stop = stopSignal();
  // A fault that nobody caught leaves state that nobody vouches for: say what it was, and end. Nothing acknowledged is lost.
  process.on('uncaughtException', (thrown) => {
    log.error({ event: 'uncaught', ...describeError(thrown) });
    process.exit(EXIT.failed);
  });
  const starting = startGateway(config, log);
  const first = await Promise.race([starting, stop]);
  let code: number = EXIT.ok;
  if (typeof first !== 'string') {
    for (const line of [...table(first, config), ...warnings(config, context.cwd), ...first.warnings, 'ready'])
      context.out(line);
    const why = await Promise.race([stop, first.fenced]);
    if (why === undefined) {
      context.err('anamnesis: the keys of this gateway were rotated; start it again to take the new ones');
      code = EXIT.unavailable;
    }
  }
  log.info({ event: 'draining' });
  const deadline = setTimeout(
    () => {
      log.error({ event: 'drain-deadline' });
      process.exit(EXIT.failed);
    },
    3 * config.limits.shutdownMs + GRACE_MS,
  );
  // A signal during the start waits for its end: half a start cannot be closed in order.
  await (await starting).close();
  clearTimeout(deadline);
  log.info({ event: 'stopped' });
  return code;
}
