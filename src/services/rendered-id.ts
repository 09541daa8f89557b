/**
 * Ids of what is rendered from manifests: made of the leaf, so that they never change, and of a form that clients may not use
 * for their own. One message gives `MessageHeader/m-<leaf>`, `Provenance/m-<leaf>` (its source) and `Provenance/t-<leaf>` (its
 * transformation to FHIR).
 */
import { codeTable } from '../core/code-table.ts';
import type { LeafIndex } from '../core/ids.ts';

/** Rendered types and the first letters of their ids, in the order in which a search lists them. */
const LETTERS: Readonly<Record<string, readonly string[]>> = codeTable({
  MessageHeader: ['m'],
  Provenance: ['m', 't'],
});

const RENDERED_ID = /^([a-z])-(0|[1-9]\d{0,11})$/;

/** True for types of which the gateway renders resources. */
export function isRendered(type: string): boolean {
  return Object.hasOwn(LETTERS, type);
}

/** Leaf of the manifest behind an id of a rendered resource; undefined for ids of stored ones. */
export function leafOfRenderedId(type: string, id: string): LeafIndex | undefined {
  const [, letter, leaf] = RENDERED_ID.exec(id) ?? [];
  return letter !== undefined && isRendered(type) && LETTERS[type].includes(letter)
    ? (Number(leaf) as LeafIndex)
    : undefined;
}
