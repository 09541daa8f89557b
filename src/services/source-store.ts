/** The kept versions of the sources (port), and how their documents are opened. Implemented by `storage/pg`. */
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import { GatewayError } from '../core/errors.ts';
import { sourceKey } from '../keys/index-secret.ts';
import { parseDocument } from '../record/document.ts';
import { packCompact, unsealGroup } from '../record/sealed-group.ts';
import { decodeSourceVersion, type SourceVersion } from '../record/source-document.ts';
import type { Keyring } from '../write/keyring.ts';
import { MANIFEST_LABELS } from '../write/prepare.ts';

export interface SourceRow {
  readonly source: ResourceKey;
  readonly version: number;
  readonly leaf: LeafIndex;
  /** The document. */
  readonly body: Buffer;
}

/** Reads what is committed, in the order of the log. Errors: `unavailable`. */
export interface SourceStore {
  /** Of all sources, from a leaf on. */
  from(leaf: number): Promise<readonly SourceRow[]>;
  /** Every version of one source, the oldest first. */
  of(source: ResourceKey): Promise<readonly SourceRow[]>;
}

export interface SourceDeps {
  readonly store: SourceStore;
  readonly keyring: Keyring;
}

/** A version with the leaf that anchors it. */
export interface KeptSource extends SourceVersion {
  readonly leaf: LeafIndex;
}

/** Every version of a source, the oldest first; empty for one that was never kept. Throws `unavailable`, `integrity`. */
export async function sourceHistory(deps: SourceDeps, name: string): Promise<readonly KeptSource[]> {
  return openVersions(deps.keyring, await deps.store.of(sourceKey(deps.keyring.gatewaySecret, name)));
}

/** The newest version of each source that stands, by name. Throws `unavailable`, `integrity`. */
export async function listSources(deps: SourceDeps): Promise<readonly KeptSource[]> {
  const newest = new Map((await deps.store.from(0)).map((row) => [row.source, row]));
  const kept = await openVersions(deps.keyring, [...newest.values()]);
  return kept.filter(({ profile }) => profile !== null).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Opens the documents of versions, in their order. Throws `integrity` for one that is not what its row says. */
export async function openVersions(keyring: Keyring, rows: readonly SourceRow[]): Promise<readonly KeptSource[]> {
  if (rows.length === 0) return [];
  const slot = keyring.slot(undefined, MANIFEST_LABELS, 0);
  const held = (await keyring.bySlot([slot])).get(slot);
  return rows.map(({ body, leaf, version, source }) => {
    if (held === undefined) throw new GatewayError('integrity', 'the key of the manifests is missing');
    const { sealed } = parseDocument(body);
    const content = decodeSourceVersion(unsealGroup(held.lockbox.keyObject, packCompact(sealed)).plaintext);
    if (content.version !== version || sourceKey(keyring.gatewaySecret, content.name) !== source) {
      throw new GatewayError('integrity', `the source at leaf ${leaf} is not the one that the database names`);
    }
    return { ...content, leaf };
  });
}
