/** Where settings come from: the environment, and beneath it the file `.env` of the working directory. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Environment } from '../config/load.ts';
import { SETTINGS } from '../config/settings.ts';

/** A missing `.env` is no error; one that cannot be read is. `outer`: the environment, which wins. */
export function readEnvironment(cwd: string, outer: Environment): Environment {
  return { ...readFile(cwd), ...outer };
}

/** Names in `.env` that are no setting: a misspelt one would leave its default in force, without TLS for example. */
export function strangersIn(cwd: string): readonly string[] {
  return Object.keys(readFile(cwd)).filter((name) => !Object.hasOwn(SETTINGS, name));
}

function readFile(cwd: string): Environment {
  const path = join(cwd, '.env');
  return existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
}
