/**
 * SMART App Launch 2.2 scopes for resources (section "Scopes for requesting FHIR resources"):
 * `(patient|user|system)/(Type|*).cruds`, and version 1 `.read`, `.write`, `.*`. Refused as a whole, so that nobody gets
 * more or other than they think: versions mixed, levels mixed, letters out of order, unknown types, granular scopes
 * (`?category=...`, not supported yet). Scopes of other kinds (openid, launch, offline_access) grant nothing here.
 */
import { codeTable } from '../core/code-table.ts';
import type { Interaction, Scope } from '../core/principal.ts';
import { RESOURCE_TYPES } from '../formats/fhir/definitions.ts';

export type ParsedScopes = { readonly scopes: readonly Scope[] } | { readonly error: string };

/** Scopes of one token at most. */
const MAX_SCOPES = 200;

const LETTERS: readonly (readonly [string, Interaction])[] = [
  ['c', 'create'],
  ['r', 'read'],
  ['u', 'update'],
  ['d', 'delete'],
  ['s', 'search'],
];

const VERSION_1: Readonly<Record<string, readonly Interaction[]>> = codeTable({
  read: ['read', 'search'],
  write: ['create', 'update', 'delete'],
  '*': ['create', 'read', 'update', 'delete', 'search'],
});

const RESOURCE_SCOPE = /^(patient|user|system)\/(\*|[A-Za-z]+)\.([a-z*]+)(\?.*)?$/;
const VERSION_2_LETTERS = /^c?r?u?d?s?$/;

function isLevel(text: string | undefined): text is Scope['level'] {
  return text === 'patient' || text === 'user' || text === 'system';
}

/** Parses a `scope` claim (RFC 6749 section 3.3: separated by blanks). The error says what to change; no PHI can be in it. */
export function parseScopes(text: string): ParsedScopes {
  const scopes: Scope[] = [];
  let version1 = false;
  let version2 = false;
  const words = text.split(' ').filter((word) => word !== '');
  if (words.length > MAX_SCOPES) return { error: `a token carries at most ${MAX_SCOPES} scopes` };
  for (const word of words) {
    if (!/^(?:patient|user|system)\//i.test(word)) continue;
    const [, level, type = '', letters = '', query] = RESOURCE_SCOPE.exec(word) ?? [];
    if (!isLevel(level)) return { error: 'a resource scope is not in the form level/Type.cruds' };
    if (query !== undefined) return { error: 'granular scopes (with a query) are not supported' };
    if (type !== '*' && !RESOURCE_TYPES.has(type)) return { error: 'a scope names a type that FHIR R4 does not have' };
    const old = Object.hasOwn(VERSION_1, letters) ? VERSION_1[letters] : undefined;
    if (old === undefined && !VERSION_2_LETTERS.test(letters)) {
      return { error: 'the letters of a scope are those of cruds in this order, or read, write, * of version 1' };
    }
    if (old === undefined) version2 = true;
    else version1 = true;
    const granted = old ?? LETTERS.filter(([letter]) => letters.includes(letter)).map(([, interaction]) => interaction);
    scopes.push({ level, type, interactions: new Set(granted) });
  }
  if (version1 && version2) return { error: 'scopes of SMART version 1 and 2 are mixed' };
  const levels = new Set(scopes.map((scope) => scope.level));
  if (levels.size > 1) return { error: 'scopes of the levels patient, user and system are mixed' };
  return { scopes };
}
