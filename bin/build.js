// Compiles src/ to dist/ when dist/ is missing or older than a source file. Prints nothing when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync, cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist', '.built');

/** True when every source file is older than the last complete build. */
function upToDate() {
  if (!existsSync(join(root, 'src'))) return true;
  if (!existsSync(stamp)) return false;
  const built = statSync(stamp).mtimeMs;
  const inputs = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', ...readdirSync(join(root, 'src'), { recursive: true }).map((f) => join('src', f))];
  return inputs.every((file) => statSync(join(root, file)).mtimeMs <= built);
}

/** Builds if needed; ends the process with a message when the compiler is missing or reports errors. */
export function build() {
  if (upToDate()) return;
  let tsc;
  try {
    tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    console.error('anamnesis: dist/ is missing or out of date and the TypeScript compiler is not installed; run `npm ci` first');
    process.exit(1);
  }
  const startedAt = new Date();
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status !== 0) process.exit(1);
  // Raw SQL and generated tables are read at run time from beside the code that uses them.
  cpSync(join(root, 'src'), join(root, 'dist'), { recursive: true, filter: (from) => statSync(from).isDirectory() || /\.(sql|json)$/.test(from) });
  writeFileSync(stamp, startedAt.toISOString());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) build();
