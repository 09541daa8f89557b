// Compiles src/ to dist/ when dist/ is missing or older than a source file. Prints nothing when there is nothing to do, or nobody at the terminal.
// Compiles aside and renames, so that a process that starts meanwhile finds the old or the new dist/, never half of one.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');

/** True when every source file is older than the last complete build. An installed package has no src/. */
function upToDate() {
  if (!existsSync(join(root, 'src'))) return true;
  const built = statSync(join(dist, '.built'), { throwIfNoEntry: false })?.mtimeMs;
  if (built === undefined) return false;
  const sources = readdirSync(join(root, 'src'), { recursive: true }).map((file) => join('src', file));
  const inputs = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...sources];
  return inputs.every((file) => (statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? Infinity) <= built);
}

function compiler() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    console.error(
      'anamnesis: dist/ is missing or out of date and the TypeScript compiler is not installed; run `npm ci` first',
    );
    process.exit(1);
  }
}

/** Puts the new folder in the place of dist/. Another process may do the same at the same moment: the last one stays. */
function replaceDist(fresh) {
  for (let attempt = 0; ; attempt += 1) {
    const old = `${fresh}.old-${attempt}`;
    try {
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(fresh, dist);
      return;
    } catch (error) {
      if (attempt === 10) throw error;
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }
}

/** Builds if needed; ends the process with a message when the compiler is missing or reports errors. */
export function build() {
  if (upToDate()) return;
  const tsc = compiler();
  const startedAt = new Date();
  // For the person who waits; scripts have nothing to read.
  if (process.stderr.isTTY) console.error('anamnesis: compiling src/, once after each change ...');
  const fresh = join(root, `.dist-${process.pid}`);
  try {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh);
  } catch {
    console.error(
      `anamnesis: dist/ is missing or older than src/, and this account may not write in ${root}: run \`node bin/build.js\` as its owner`,
    );
    process.exit(1);
  }
  const args = [tsc, '-p', 'tsconfig.build.json', '--outDir', fresh];
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    process.exit(1);
  }
  // Raw SQL and generated tables are read at run time from beside the code that uses them.
  const data = (from) => statSync(from).isDirectory() || /\.(sql|json)$/.test(from);
  cpSync(join(root, 'src'), fresh, { recursive: true, filter: data });
  const stamp = join(fresh, '.built');
  writeFileSync(stamp, startedAt.toISOString());
  // A source that is edited while we compile must count as newer than the build.
  utimesSync(stamp, startedAt, startedAt);
  replaceDist(fresh);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
