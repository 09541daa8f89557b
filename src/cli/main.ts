/** The `anamnesis` command: finds the subcommand, runs it, turns its outcome into an exit code. */
import { readFileSync } from 'node:fs';
import { envExample } from '../config/settings.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { codeTable } from '../core/code-table.ts';
import { COMMANDS, type Entry } from './commands.ts';
import { readEnvironment } from './environment.ts';
import { reportError } from './report-error.ts';
import { openTerminal } from './terminal.ts';

/** Those that need nothing of a gateway. */
const OWN: Readonly<Record<string, Entry>> = codeTable({
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
  for (const { usage, does } of [...Object.values(COMMANDS), ...Object.values(OWN)]) out(`  ${usage}\n      ${does}`);
  out('\n`npx anamnesis COMMAND --help` explains its arguments. Exit codes: docs/operations.md.');
  out('Settings come from the environment and from .env in the working directory; see .env.example.');
  return EXIT.ok;
};

const version: Command = async (_, { out }) => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  out(
    typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown',
  );
  return EXIT.ok;
};

function entryOf(name: string): Entry | undefined {
  if (Object.hasOwn(COMMANDS, name)) return COMMANDS[name];
  return Object.hasOwn(OWN, name) ? OWN[name] : undefined;
}

function usageOf({ usage, does, more = [] }: Entry): string {
  return [`Usage: npx anamnesis ${usage}`, `  ${does}`, '', ...more.map((line) => `  ${line}`)].join('\n').trimEnd();
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
    const context: CliContext = { env: readEnvironment(terminal.cwd, process.env), ...terminal };
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
