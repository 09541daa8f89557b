/** SQL statements, one a file under `sql/`, each with the index it needs in its comment. Read once, when a store loads. */
import { readFileSync } from 'node:fs';

/** The text of `sql/<name>.sql` without its comments. */
export function statement(name: string): string {
  const text = readFileSync(new URL(`./sql/${name}.sql`, import.meta.url), 'utf8');
  return text.replaceAll(/^--.*\n/gm, '').trim();
}
