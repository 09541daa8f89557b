/** The import table of the design: dependencies point downward only, and what is dangerous stays in its one room. */
import { describe, expect, test } from 'vitest';
import { isOurs, packageOf, parseSource, readSources, type Source } from './sources.ts';

const PURE = ['normalize', 'labels', 'deidentify', 'search', 'consent', 'keys', 'ledger', 'identity', 'audit'];
const DOMAIN = ['core', 'formats', ...PURE, 'record'];
const ANYTHING = 'anything';

/** From a layer: the layers it may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | typeof ANYTHING>> = {
  core: [],
  formats: ['core'],
  ...Object.fromEntries(PURE.map((layer) => [layer, ['core', 'formats']])),
  consent: ['core', 'formats', 'labels'],
  // A lockbox is known by its label set.
  keys: ['core', 'formats', 'labels'],
  // The issuer signs with a pair of the key set.
  identity: ['core', 'formats', 'keys'],
  record: ['core', 'formats', 'keys', 'labels', 'consent'],
  write: DOMAIN,
  replication: [...DOMAIN, 'write'],
  services: [...DOMAIN, 'write', 'replication'],
  followers: [...DOMAIN, 'write', 'replication', 'services'],
  config: ['core'],
  // Adapters know the ports that they fill, wherever those live.
  storage: [...DOMAIN, 'write', 'replication', 'services', 'followers'],
  clients: [...DOMAIN, 'write', 'replication', 'services', 'followers'],
  edge: ['services', 'formats', 'identity', 'core', 'config'],
  cli: ANYTHING,
  'app.ts': ANYTHING,
  app: ANYTHING,
  'main.ts': ANYTHING,
};

/** Packages and modules that only some layers may import. */
const ONLY_IN: Readonly<Record<string, readonly string[]>> = {
  pg: ['storage'],
  'pg-copy-streams': ['storage'],
  express: ['edge'],
  'oidc-provider': ['edge'],
  pino: ['storage'],
  'prom-client': ['edge', 'app.ts', 'app'],
  'node:fs': ['storage', 'clients', 'config', 'cli', 'app.ts', 'app', 'main.ts'],
  'node:fs/promises': ['storage', 'clients', 'config', 'cli', 'app.ts', 'app', 'main.ts'],
  'node:child_process': ['storage', 'cli'],
};

interface Ban {
  readonly what: RegExp;
  readonly why: string;
  readonly except: (path: string) => boolean;
}

const within =
  (...folders: string[]) =>
  (path: string) =>
    folders.some((folder) => path.startsWith(folder));
const nowhere = () => false;

const BANS: readonly Ban[] = [
  { what: /\bprocess\.env\b/, why: 'settings come from config', except: within('main.ts', 'cli/') },
  { what: /\bDate\.now\(|\bnew Date\(\)/, why: 'time comes from core/clock', except: within('core/') },
  {
    what: /\bMath\.random\(|\brandom(Bytes|UUID|Int|Fill|FillSync)\(|\bgenerateKeyPair|\bgetRandomValues\(/,
    why: 'randomness comes from core/random',
    except: within('core/'),
  },
  { what: /\bmintPermit\b/, why: 'only consent/ mints permits', except: within('consent/') },
  {
    what: /\bsystemPermit\b/,
    why: 'edge/ cannot reach the system permit',
    except: (path) => !path.startsWith('edge/'),
  },
  { what: /\bcreateServer\(/, why: 'listeners are in edge/', except: within('edge/') },
  { what: /\bAsyncLocalStorage\b/, why: 'no ambient context', except: nowhere },
  { what: /^export default\b/m, why: 'no default exports', except: nowhere },
  {
    what: /^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s+[\w.]+\s*\{/m,
    why: 'erasable syntax only',
    except: nowhere,
  },
  { what: /^\s*\/\/\s*@ts-(ignore|nocheck|expect-error)/m, why: 'types are not silenced', except: nowhere },
];

const isWorker = (source: Source): boolean => source.path.endsWith('.worker.ts');

function forbiddenImports(source: Source): string[] {
  const may = isWorker(source) ? ANYTHING : MAY_IMPORT[source.layer];
  if (may === undefined) return [`${source.path}: its folder is not in the table`];
  return source.imports.flatMap(({ target, typeOnly }) => {
    if (isOurs(target)) {
      const layer = target.split('/')[0];
      const allowed = layer === source.layer || may === ANYTHING || may.includes(layer);
      const permitOnly = source.layer === 'record' && layer === 'consent' && target !== 'consent/permit.ts';
      const configTypesOnly = source.layer === 'edge' && layer === 'config' && !typeOnly;
      return allowed && !permitOnly && !configTypesOnly ? [] : [`${source.path} imports ${target}`];
    }
    const only = ONLY_IN[packageOf(target)];
    return only === undefined || typeOnly || only.includes(source.layer) ? [] : [`${source.path} imports ${target}`];
  });
}

function banned(source: Source): string[] {
  return BANS.filter((ban) => !ban.except(source.path) && ban.what.test(source.code)).map(
    (ban) => `${source.path}: ${ban.why}`,
  );
}

/** Files on an import cycle, type-only imports apart. */
function cycles(sources: readonly Source[]): string[] {
  const edges = new Map(
    sources.map((s) => [s.path, s.imports.filter((i) => !i.typeOnly && isOurs(i.target)).map((i) => i.target)]),
  );
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    state.set(path, 'open');
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of sources) visit(path, []);
  return found;
}

const sources = readSources();

describe('the source tree', () => {
  test('was really read', () => {
    const lines = sources.flatMap(({ text }) =>
      text.split('\n').filter((line) => /^import .*['"];$|^(export .*)?\} from ['"]/.test(line)),
    );
    expect(sources.length).toBeGreaterThan(60);
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThanOrEqual(lines.length);
    expect(lines.length).toBeGreaterThan(150);
    const paths = new Set(sources.map(({ path }) => path));
    const missing = sources.flatMap((s) =>
      s.imports.filter((i) => isOurs(i.target) && i.target.endsWith('.ts') && !paths.has(i.target)),
    );
    expect(missing).toEqual([]);
  });

  test('imports downward only', () => {
    expect(sources.flatMap(forbiddenImports)).toEqual([]);
  });

  test('keeps what is dangerous in its room', () => {
    expect(sources.flatMap(banned)).toEqual([]);
  });

  test('has no import cycles', () => {
    expect(cycles(sources)).toEqual([]);
  });

  test('has no barrel files', () => {
    expect(sources.filter(({ path }) => /(^|\/)index\.ts$/.test(path)).map(({ path }) => path)).toEqual([]);
    expect(sources.filter(({ code }) => /^export \*/m.test(code)).map(({ path }) => path)).toEqual([]);
  });

  test('opens every file with what it does', () => {
    expect(sources.filter(({ text }) => !/^(#!.*\n)?(\/\*\*|\/\/)/.test(text)).map(({ path }) => path)).toEqual([]);
  });

  test('imports its own files with their extension', () => {
    const bare = sources.flatMap((s) =>
      [...s.code.matchAll(/from '(\.[^']*)'/g)]
        .filter(([, at]) => !/\.(ts|json)$/.test(at))
        .map(([, at]) => `${s.path}: ${at}`),
    );
    expect(bare).toEqual([]);
  });
});

describe('the rules catch', () => {
  test.each([
    ['core/x.ts', "import { a } from '../formats/a.ts';"],
    ['formats/x.ts', "import type { A } from '../keys/a.ts';"],
    ['edge/http/x.ts', "import { a } from '../../storage/pg/a.ts';"],
    ['edge/http/x.ts', "import { loadConfig } from '../../config/load.ts';"],
    ['record/x.ts', "import { decide } from '../consent/decide.ts';"],
    ['write/x.ts', "import pg from 'pg';"],
    ['services/x.ts', "const fs = await import('node:fs');"],
    ['services/x.ts', "export { a } from '../edge/a.ts';"],
    ['services/x.ts', "import {\n  a,\n  b,\n} from '../storage/a.ts';"],
    ['unheard/x.ts', "import { a } from '../core/a.ts';"],
  ])('the import in %s: %s', (path, text) => {
    expect(forbiddenImports(parseSource(path, text))).toHaveLength(1);
  });

  test.each([
    ['storage/x.ts', 'const a = process.env.HOME;'],
    ['write/x.ts', 'const t = Date.now();'],
    ['write/x.ts', 'const id = randomUUID();'],
    ['services/x.ts', "import { mintPermit } from '../consent/permit.ts';"],
    ['edge/x.ts', "systemPermit('render');"],
    ['services/x.ts', 'net.createServer(() => {});'],
    ['core/x.ts', 'export default 1;'],
    ['core/x.ts', 'export enum A {}'],
  ])('the code in %s: %s', (path, text) => {
    expect(banned(parseSource(path, text))).toHaveLength(1);
  });

  test('but not their mention in comments', () => {
    const text = '/** Never Date.now() here. */\n// process.env is read in main\nconst a = 1; // not Math.random()\n';
    expect(banned(parseSource('write/x.ts', text))).toEqual([]);
  });

  test('a cycle', () => {
    const a = parseSource('core/a.ts', "import { b } from './b.ts';");
    const b = parseSource('core/b.ts', "import { a } from './a.ts';");
    expect(cycles([a, b])).toEqual(['core/a.ts -> core/b.ts -> core/a.ts']);
  });
});
