/**
 * Tables that are looked up by text from outside: codes of a message, names in a URL, resource types of a client. An object
 * literal answers `constructor`, `toString` and `__proto__` with members of Object.prototype; these tables do not.
 */

/**
 * A frozen table without a prototype: `table[text]` is undefined for every text that is no entry of its own, whatever it is.
 * `in`, `Object.hasOwn`, `Object.keys`, spreading and JSON work as with any object.
 */
export function codeTable<T>(entries: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  const table: Record<string, T> = Object.create(null) as Record<string, T>;
  return Object.freeze(Object.assign(table, entries));
}
