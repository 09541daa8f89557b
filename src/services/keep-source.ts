/**
 * Keeps a new version of a source, or removes it (a version without a profile): a document of its own, anchored like a message.
 * Versions have numbers without gaps; of two changes to the same version one wins. What a message was converted by stays known.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { SOURCE_PROFILE_MAX_BYTES } from '../core/limits.ts';
import { sourceKey } from '../keys/index-secret.ts';
import { parseSourceDefinition, type SourceDefinition, type SourceJson } from '../normalize/hl7v2/source-definition.ts';
import { encodeSourceVersion, type SourceVersion } from '../record/source-document.ts';
import { Draft, type DraftDeps } from '../write/draft.ts';
import { contention, type GroupCommitter } from '../write/group-commit.ts';
import { MANIFEST_LABELS } from '../write/prepare.ts';
import type { LeafIndex } from '../core/ids.ts';
import { listSources, sourceHistory, type KeptSource, type SourceStore } from './source-store.ts';

export interface KeepSourceDeps extends DraftDeps {
  readonly store: SourceStore;
  readonly committer: Pick<GroupCommitter, 'commit'>;
  readonly clock: Clock;
  /** Name of the source of the settings: only it may be known by nothing, and takes what no other does. */
  readonly defaultName: string;
}

export interface SourceChange {
  readonly name: string;
  /** Null: the source is removed. */
  readonly profile: unknown;
  /** Who says so. */
  readonly by: string;
  /** Version that the change was made from (0: there is none); undefined: whatever it is. */
  readonly from?: number;
}

const ATTEMPTS = 8;

/**
 * Durable and anchored on return; the kept version where nothing changes. Throws `invalid-content` with every fault of the profile,
 * `too-large`, `conflict` where another source is known by the same messages, `not-found` for a removal of what is not there,
 * `precondition-failed` where the source is at another version than `from`.
 */
export async function keepSource(deps: KeepSourceDeps, change: SourceChange): Promise<KeptSource> {
  const { name, profile } = change;
  const json = profile === null ? null : (checked(deps, change), profile as SourceJson);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const newest = (await sourceHistory(deps, name)).at(-1);
    checkVersion(change, newest);
    if (json === null && (newest === undefined || newest.profile === null)) {
      throw new GatewayError('not-found', 'there is no such source');
    }
    if (newest !== undefined && isDeepStrictEqual(newest.profile, json)) return newest;
    if (json !== null) await checkSenders(deps, checked(deps, change));
    const version: SourceVersion = {
      v: 1,
      name,
      version: (newest?.version ?? 0) + 1,
      at: deps.clock.now(),
      by: change.by,
      profile: json,
    };
    const leaf = await commitVersion(deps, version);
    if (leaf !== undefined) return { ...version, leaf };
  }
  throw contention();
}

/** The definition, parsed. Throws `invalid-content` with all its faults. */
function checked(deps: KeepSourceDeps, { name, profile }: SourceChange): SourceDefinition {
  if (Buffer.byteLength(JSON.stringify(profile) ?? '') > SOURCE_PROFILE_MAX_BYTES) {
    throw new GatewayError('too-large', `a profile has at most ${SOURCE_PROFILE_MAX_BYTES} bytes of JSON`);
  }
  const parsed = parseSourceDefinition(name, profile, 0);
  const faults = 'faults' in parsed ? [...parsed.faults] : [];
  if (
    'definition' in parsed &&
    name !== deps.defaultName &&
    parsed.definition.match.length + parsed.definition.clients.length === 0
  ) {
    faults.push({
      place: 'match',
      problem: `is required, or clients: only the source ${deps.defaultName} of the settings may be known by nothing`,
    });
  }
  if ('definition' in parsed && faults.length === 0) return parsed.definition;
  throw new GatewayError(
    'invalid-content',
    `the profile has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}: ${faults.map(({ place, problem }) => `${place} ${problem}`).join('; ')}`,
    {
      issues: faults.map(({ place, problem }) => ({
        severity: 'error',
        code: 'invalid',
        expression: place,
        diagnostics: problem,
      })),
    },
  );
}

function checkVersion({ from }: SourceChange, newest: KeptSource | undefined): void {
  const stands = newest === undefined || newest.profile === null ? 0 : newest.version;
  if (from !== undefined && from !== stands) {
    throw new GatewayError(
      'precondition-failed',
      stands === 0 ? 'there is no such source' : `the source is at version ${stands}; read it again`,
    );
  }
}

/** Two sources with the same sender on the same connections could not be told apart. */
async function checkSenders(deps: KeepSourceDeps, definition: SourceDefinition): Promise<void> {
  for (const other of await listSources(deps)) {
    if (other.name === definition.profile.name) continue;
    const parsed = parseSourceDefinition(other.name, other.profile, other.version);
    if (!('definition' in parsed) || !shareClients(definition, parsed.definition)) continue;
    const { match } = parsed.definition;
    const both = definition.match.find((mine) => match.some((theirs) => isDeepStrictEqual(mine, theirs)));
    if (both !== undefined || (match.length === 0 && definition.match.length === 0)) {
      throw new GatewayError('conflict', `the source ${other.name} is known by the same sender`, {
        expression: 'match',
      });
    }
  }
}

function shareClients(one: SourceDefinition, other: SourceDefinition): boolean {
  if (one.clients.length === 0 && other.clients.length === 0) return true;
  return one.clients.some((mine) => other.clients.some((theirs) => isDeepStrictEqual(mine, theirs)));
}

/** The leaf, or undefined where another change was faster. */
async function commitVersion(deps: KeepSourceDeps, version: SourceVersion): Promise<LeafIndex | undefined> {
  const { keyring } = deps;
  const draft = new Draft(deps, await keyring.bySlot([keyring.slot(undefined, MANIFEST_LABELS, 0)]));
  draft.item.sourceVersion = { source: sourceKey(keyring.gatewaySecret, version.name), version: version.version };
  const item = await draft.finish('source', MANIFEST_LABELS, encodeSourceVersion(version));
  const outcome = await deps.committer.commit(item);
  if (outcome.kind !== 'committed') return undefined;
  draft.learn(outcome.firstLeaf);
  return (outcome.firstLeaf + item.manifest) as LeafIndex;
}
