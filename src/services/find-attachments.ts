/** Finds attachments with much data in a resource, and puts something else in their place. Pure. */

/** Members of an Attachment (R4). What has others as well is none: SampledData and Signature have `data` too. */
const MEMBERS: ReadonlySet<string> = new Set([
  'id',
  'extension',
  'contentType',
  'language',
  'data',
  'url',
  'size',
  'hash',
  'title',
  'creation',
  '_contentType',
  '_language',
  '_data',
  '_url',
  '_size',
  '_hash',
  '_title',
  '_creation',
]);

/** An attachment with its content in base64. */
export interface InlineAttachment {
  readonly data: string;
  readonly contentType?: unknown;
  readonly [member: string]: unknown;
}

/** Every attachment at any depth whose `data` has more than `characters`. */
export function largeAttachments(value: unknown, characters: number): InlineAttachment[] {
  const found: InlineAttachment[] = [];
  visit(value, characters, found);
  return found;
}

function visit(value: unknown, characters: number, found: InlineAttachment[]): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const entry of value) visit(entry, characters, found);
  } else if (isLarge(value, characters)) {
    found.push(value);
  } else {
    for (const child of Object.values(value)) visit(child, characters, found);
  }
}

function isLarge(value: object, characters: number): value is InlineAttachment {
  const { data } = value as { readonly data?: unknown };
  return typeof data === 'string' && data.length > characters && Object.keys(value).every((name) => MEMBERS.has(name));
}

/** The value with each of these objects replaced, by identity. What does not change is shared with the input. */
export function replaceObjects<T>(value: T, replacements: ReadonlyMap<object, object>): T {
  return replaceIn(value, replacements) as T;
}

function replaceIn(value: unknown, replacements: ReadonlyMap<object, object>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const replacement = replacements.get(value);
  if (replacement !== undefined) return replacement;
  if (Array.isArray(value)) {
    const mapped = value.map((entry) => replaceIn(entry, replacements));
    return mapped.some((entry, i) => entry !== value[i]) ? mapped : value;
  }
  const entries = Object.entries(value).map(([name, child]) => [name, child, replaceIn(child, replacements)] as const);
  if (entries.every(([, child, mapped]) => child === mapped)) return value;
  return Object.fromEntries(entries.map(([name, , mapped]) => [name, mapped]));
}
