/** The `anamnesis` command: finds the subcommand, runs it, turns its outcome into an exit code. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { codeTable } from '../core/code-table.ts';
import { envExample } from '../config/settings.ts';
import type { Environment } from '../config/load.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { reportError } from './report-error.ts';
import { openTerminal } from './terminal.ts';

interface Entry {
  readonly usage: string;
  readonly does: string;
  /** True: it changes nothing that its output does not show, and ends when nobody reads that any more. */
  readonly onlyPrints?: true;
  /** Loaded on use: `anamnesis token` does not pay for the whole gateway. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = codeTable({
  start: {
    usage: 'start',
    does: 'run the gateway',
    load: async () => (await import('./start.ts')).start,
  },
  demo: {
    usage: 'demo',
    does: 'a sample day through a gateway of its own, in a temporary folder; ends by itself',
    load: async () => (await import('./demo.ts')).demo,
  },
  send: {
    usage: 'send [--token TOKEN] [--mllp HOST:PORT] [--dicom HOST:PORT] [--fhir URL] [--cert FILE --key FILE] FILE...',
    does: '.hl7 by MLLP, .dcm and folders by C-STORE, .json by FHIR',
    load: async () => (await import('./send.ts')).send,
  },
  convert: {
    onlyPrints: true,
    usage: 'convert [--source NAME] [--profile FILE] [--report] FILE...',
    does: 'print the FHIR Bundle that each HL7 v2 message would become, one line a message; nothing is kept or sent',
    load: async () => (await import('./convert.ts')).convert,
  },
  sources: {
    usage: 'sources list | show NAME [--version N] | set NAME FILE [--version N] | remove NAME | history NAME',
    does: 'the senders of HL7 v2 messages: how theirs are read, and what they may do (docs/sources.md)',
    load: async () => (await import('./sources.ts')).sources,
  },
  token: {
    onlyPrints: true,
    usage:
      'token --role practitioner|patient|system|researcher --sub NAME [--patient ID] [--purpose TREAT] [--scope "..."] [--ttl SECONDS] [--organization REFERENCE] [--user REFERENCE] [--client NAME]',
    does: 'print a bearer token of the built-in issuer (needs the key file)',
    load: async () => (await import('./token.ts')).token,
  },
  health: {
    onlyPrints: true,
    usage: 'health [--cert FILE --key FILE]',
    does: 'ask the running gateway of these settings whether it is ready; exit code 0 only then',
    load: async () => (await import('./health.ts')).health,
  },
  messages: {
    onlyPrints: true,
    usage:
      'messages list [--quarantined] [--source NAME] [--reason CODE] [--since DATE] [--limit N] [--json] | show LEAF [--raw] [--json] | reprocess LEAF... | --all | --reason CODE | dismiss LEAF... --because TEXT',
    does: 'the HL7 v2 messages that are kept, those in quarantine, and another try at them (docs/operations.md)',
    load: async () => (await import('./messages.ts')).messages,
  },
  rebuild: {
    usage: 'rebuild [--from URL] [--into URL]',
    does: 'fill an empty database from documents, payloads and the key file',
    load: async () => (await import('./rebuild.ts')).rebuild,
  },
  verify: {
    onlyPrints: true,
    usage: 'verify [--hashes | --independent-signatures]',
    does: 'derive the whole ledger again and say what is wrong, and where',
    load: async () => (await import('./verify.ts')).verify,
  },
  keys: {
    usage:
      'keys show | passphrase --new-file FILE | rotate ROLE | recovery-kit --shares 5 --threshold 3 DIR | recover FILE...',
    does: 'look after the key file: public keys, passphrase, rotation, recovery kit (docs/keys.md)',
    load: async () => (await import('./key-care.ts')).keys,
  },
  'prepare-database': {
    usage: 'prepare-database',
    does: 'apply migrations and put on what keeps the ledger append-only, by DATABASE_ADMIN_URL; start does it as well',
    load: async () => (await import('./prepare-database.ts')).prepareDatabaseCommand,
  },
  prove: {
    onlyPrints: true,
    usage: 'prove TYPE/ID[/_history/VERSION] | --leaf N | --message CONTROL-ID [--source NAME]  [--out FILE]',
    does: 'print the receipt of a record version, a message or a leaf (needs the key file)',
    load: async () => (await import('./prove.ts')).prove,
  },
  'verify-receipt': {
    onlyPrints: true,
    usage:
      'verify-receipt FILE [--vkey VKEY] [--sign-key KEY]... [--cosigner VKEY]... [--policy FILE] [--document FILE] [--lockbox-key FILE]',
    does: 'check a receipt offline, with nothing of a gateway but its public keys',
    load: async () => (await import('./verify-receipt.ts')).verifyReceipt,
  },
  restore: {
    usage: 'restore [--furthest]',
    does: 'bring the gateway back out of its mirrors, from key file, settings and policy file alone',
    load: async () => (await import('./restore.ts')).restore,
  },
  'begin-log': {
    usage: 'begin-log ORIGIN [--into URL]',
    does: 'give up a log that no mirror can bring back, and begin another with what is left (docs/replication.md)',
    load: async () => (await import('./begin-log.ts')).beginLog,
  },
  export: {
    usage: 'export [--no-blobs] FILE',
    does: 'write the log with all its ciphertext into one file',
    load: async () => (await import('./archive.ts')).exportLog,
  },
  import: {
    usage: 'import FILE',
    does: 'bring the gateway back from such a file, verified while it streams',
    load: async () => (await import('./archive.ts')).importLog,
  },
  witness: {
    usage: 'witness evidence | witness lift ORIGIN',
    does: 'show logs that signed two trees; cosign a frozen one again',
    load: async () => (await import('./witness.ts')).witness,
  },
  suspend: {
    usage: 'suspend ORIGIN',
    does: 'take nothing more from a member, and tell the peers',
    load: async () => (await import('./suspend.ts')).suspend,
  },
  unsuspend: {
    usage: 'unsuspend ORIGIN',
    does: 'take that back',
    load: async () => (await import('./suspend.ts')).unsuspend,
  },
  version: { onlyPrints: true, usage: 'version', does: 'print the version', load: async () => version },
  help: {
    onlyPrints: true,
    usage: 'help [COMMAND | settings]',
    does: 'print this, one command, or every setting',
    load: async () => help,
  },
});

/** What people type before they know the commands. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version'],
]);

const help: Command = async ([topic], { out }) => {
  if (topic === 'settings') {
    out(envExample().trimEnd());
    return EXIT.ok;
  }
  if (topic !== undefined) {
    const entry = entryOf(topic);
    if (entry === undefined) throw new UsageError(`there is no command ${JSON.stringify(topic)}`);
    out(usageOf(entry));
    return EXIT.ok;
  }
  out('Usage: npx anamnesis COMMAND\n');
  for (const { usage, does } of Object.values(COMMANDS)) out(`  ${usage}\n      ${does}`);
  out('\nSettings come from the environment and from .env in the working directory; see .env.example.');
  return EXIT.ok;
};

const version: Command = async (_, { out }) => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  out(
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown',
  );
  return EXIT.ok;
};

/** `.env` of the working directory; the environment wins. A missing file is no error; one that cannot be read is. */
function environment(cwd: string): Environment {
  const path = join(cwd, '.env');
  return existsSync(path) ? { ...parseEnv(readFileSync(path, 'utf8')), ...process.env } : process.env;
}

function entryOf(name: string): Entry | undefined {
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

function usageOf({ usage, does }: Entry): string {
  return `Usage: npx anamnesis ${usage}\n  ${does}`;
}

/** Runs the command line and sets the process's exit code. Never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  const cwd = process.cwd();
  const [first = 'help', ...args] = argv;
  const name = FLAGS.get(first) ?? first;
  const entry = entryOf(name);
  const terminal = openTerminal(process.stdout, process.stderr, entry?.onlyPrints === true);
  process.exitCode = await run(name, entry, args, { cwd, out: terminal.out, err: terminal.err });
  // What could not be written may come to light after the last line.
  process.once('exit', (code) => (process.exitCode = terminal.exitCode(code)));
}

async function run(
  name: string,
  entry: Entry | undefined,
  args: readonly string[],
  terminal: Omit<CliContext, 'env'>,
): Promise<number> {
  try {
    const context: CliContext = { env: environment(terminal.cwd), ...terminal };
    if (entry === undefined)
      throw new UsageError(`there is no command ${JSON.stringify(name)}; \`npx anamnesis help\` lists them`);
    if (args.includes('--help')) {
      context.out(usageOf(entry));
      return EXIT.ok;
    }
    return await (
      await entry.load()
    )(args, context);
  } catch (thrown) {
    return reportError(thrown, terminal);
  }
}
