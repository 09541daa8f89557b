/**
 * `anamnesis sources`: the kept sources of HL7 v2 messages (docs/sources.md), whether the gateway runs or not. A running gateway takes a
 * new version within two seconds. A profile goes to standard output as it is read from a file; the rest to standard error.
 */
import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { sourceKeeper } from '../app/sources.ts';
import { GatewayError } from '../core/errors.ts';
import { keepSource, type KeepSourceDeps } from '../services/keep-source.ts';
import { listSources, sourceHistory, type KeptSource } from '../services/source-store.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { readSettings } from './settings.ts';
import { withStoredWriter } from './stored-writer.ts';

const USAGE = 'say sources list | show NAME [--version N] | set NAME FILE [--version N] | remove NAME | history NAME';

type Verb = (deps: KeepSourceDeps, context: CliContext) => Promise<void>;

export const sources: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { version: { type: 'string' } },
  });
  const verb = verbOf(positionals, versionOf(values.version), context);
  const config = readSettings(context);
  try {
    await withStoredWriter(config, ({ keySet, ...parts }) =>
      verb(sourceKeeper(config, { ...parts, keys: keySet }), context),
    );
    return EXIT.ok;
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || thrown.issues.length === 0) throw thrown;
    context.err('anamnesis: the profile is not taken:');
    for (const { expression, diagnostics } of thrown.issues) context.err(`  ${expression}: ${diagnostics}`);
    return EXIT.failed;
  }
};

function verbOf(positionals: readonly string[], version: number | undefined, { cwd }: CliContext): Verb {
  const [verb, name, file, ...more] = positionals;
  const takesFile = verb === 'set';
  if (more.length > 0 || (file !== undefined) !== takesFile || (name === undefined) !== (verb === 'list'))
    throw new UsageError(USAGE);
  switch (verb) {
    case 'list':
      return list;
    case 'show':
      return show(name, version);
    case 'history':
      return history(name);
    case 'set': {
      const profile = readProfile(file, cwd);
      return change(name, profile, version);
    }
    case 'remove':
      return change(name, null, version);
    default:
      throw new UsageError(USAGE);
  }
}

const list: Verb = async (deps, { out, err }) => {
  const kept = await listSources(deps);
  for (const { name, version, at, by } of kept) out([name, `version ${version}`, instant(at), by].join('\t'));
  if (kept.length === 0) err(`no source is kept; the settings describe one, ${deps.defaultName}`);
};

function show(name: string, version: number | undefined): Verb {
  return async (deps, { out, err }) => {
    const kept = await sourceHistory(deps, name);
    const found = version === undefined ? kept.at(-1) : kept.find((one) => one.version === version);
    if (found === undefined) throw new GatewayError('not-found', 'there is no such source, or not in this version');
    err(describe(found));
    if (found.profile !== null) out(JSON.stringify(found.profile, undefined, 2));
  };
}

function history(name: string): Verb {
  return async (deps, { out }) => {
    const kept = await sourceHistory(deps, name);
    if (kept.length === 0) throw new GatewayError('not-found', 'there is no such source');
    for (const one of kept.toReversed()) out(describe(one));
  };
}

function change(name: string, profile: unknown, version: number | undefined): Verb {
  return async (deps, { out }) => {
    const by = `anamnesis-cli|${userInfo().username}`;
    out(describe(await keepSource(deps, { name, profile, by, ...(version !== undefined && { from: version }) })));
  };
}

function describe({ name, version, at, by, profile, leaf }: KeptSource): string {
  return `${name} version ${version}${profile === null ? ' (removed)' : ''}, ${instant(at)}, by ${by}, leaf ${leaf}`;
}

function instant(at: number): string {
  return new Date(at).toISOString();
}

function versionOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,8})$/.test(text)) throw new UsageError('--version is a number; 0: the source must be new');
  return Number(text);
}

/** The JSON of a file. Throws a UsageError that says where it is none. */
export function readProfile(file: string, cwd: string): unknown {
  try {
    return JSON.parse(readFileSync(resolve(cwd, file), 'utf8'));
  } catch (thrown) {
    const why = thrown instanceof SyntaxError ? `is not JSON: ${thrown.message}` : 'cannot be read';
    throw new UsageError(`the profile ${file} ${why}`);
  }
}
