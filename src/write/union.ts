/**
 * The union of two lists of a resource: entries that stand already are not added again. Entries that say which they are
 * (a reference, an identifier's value, a text) are compared only with those that say the same, so that a report of thousands
 * of results costs no more for being long.
 */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import { LIST_MAX_ENTRIES } from '../core/limits.ts';

type Entry = Readonly<Record<string, unknown>>;

/**
 * `current` with those of `added` that are not in it; `current` itself when there are none. An identifier that stands as an
 * old one is not added again either. Throws `too-large` beyond LIST_MAX_ENTRIES: such a resource fits into no sealed group.
 */
export function union(current: readonly unknown[], added: readonly unknown[]): readonly unknown[] {
  const known = groupBy(current, nameOf);
  const extra = added.filter(
    (entry) => !(known.get(nameOf(entry)) ?? []).some((one) => isDeepStrictEqual(one, entry) || isRetired(one, entry)),
  );
  if (extra.length === 0) return current;
  if (current.length + extra.length > LIST_MAX_ENTRIES) {
    throw new GatewayError(
      'too-large',
      `a list of a resource has at most ${LIST_MAX_ENTRIES} entries; send it in parts`,
    );
  }
  return [...current, ...extra];
}

/** What tells most entries of a list apart: equal entries have equal names. */
function nameOf(entry: unknown): unknown {
  if (!isEntry(entry)) return entry;
  for (const name of ['reference', 'value', 'text', 'url']) if (typeof entry[name] === 'string') return entry[name];
  return undefined;
}

function isRetired(known: unknown, entry: unknown): boolean {
  if (!isEntry(known) || known.use !== 'old' || !isEntry(entry)) return false;
  return isDeepStrictEqual(known, { ...entry, use: 'old' });
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null;
}
