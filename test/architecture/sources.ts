/** Reads the source tree for the architecture tests: text without comments, and the imports of every file. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface Import {
  /** Path under src/ for a relative import, else the package or `node:` name. */
  readonly target: string;
  readonly typeOnly: boolean;
}

export interface Source {
  /** Path under src/, with forward slashes. */
  readonly path: string;
  /** Folder or, for files directly under src/, the file's name: the layer. */
  readonly layer: string;
  readonly text: string;
  /** Text without whole-line and trailing comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const STATIC = /^(?:import|export)\s+(type\s)?(?:[^'"`;=()]*?\bfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function withoutComments(text: string): string {
  return text
    .replace(/^\s*\/\*[\s\S]*?\*\//gm, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s\/\/ .*$/gm, '');
}

/** All TypeScript files under src/. */
export function readSources(root = 'src'): readonly Source[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files
    .toSorted()
    .map((file) => parseSource(file.replaceAll('\\', '/'), readFileSync(join(root, file), 'utf8')));
}

/** One file; `path` is relative to src/. */
export function parseSource(path: string, text: string): Source {
  const code = withoutComments(text);
  const resolve = (specifier: string): string =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier;
  const imports = [
    ...[...code.matchAll(STATIC)].map(([, type, specifier]) => ({
      target: resolve(specifier),
      typeOnly: type !== undefined,
    })),
    ...[...code.matchAll(DYNAMIC)].map(([, specifier]) => ({ target: resolve(specifier), typeOnly: false })),
  ];
  return { path, layer: path.split('/')[0], text, code, imports };
}

/** `@scope/name/sub` and `name/sub` to the package; `node:` names stay. */
export function packageOf(target: string): string {
  return target.startsWith('node:')
    ? target
    : target
        .split('/')
        .slice(0, target.startsWith('@') ? 2 : 1)
        .join('/');
}

/** True for a path under src/ (what `parseSource` resolved from a relative import). */
export function isOurs(target: string): boolean {
  return /\.(ts|json)$/.test(target) && !target.startsWith('node:') && !target.startsWith('@');
}
