/** Seals the new versions of a message in groups of one lockbox each (DESIGN section 4), with their record and token rows. */
import { GatewayError } from '../core/errors.ts';
import { groupBy } from '../core/group-by.ts';
import type { ResourceKey } from '../core/ids.ts';
import { GROUP_MAX_BYTES, GROUP_MAX_LINES, GROUP_PADDING_STEP } from '../core/limits.ts';
import { pace } from '../core/next-turn.ts';
import { stringifyFhirJson } from '../formats/fhir/json.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import type { Draft, DraftDeps } from './draft.ts';
import type { Keyring } from './keyring.ts';
import type { Target } from './target.ts';
import { patientTokens, TokenRows, type Keyed } from './token-rows.ts';
import type { Version } from './versions.ts';

/** Bytes of one group's lines, with room for the padding. */
const GROUP_BYTES = GROUP_MAX_BYTES - GROUP_PADDING_STEP - 1;

/** Tokens under the secrets of the patients of this message; new patients get a secret now. */
export async function keyedPatients(
  deps: Pick<DraftDeps, 'keyring'>,
  draft: Draft,
  versions: readonly Version[],
  fresh: ReadonlySet<ResourceKey>,
): Promise<ReadonlyMap<ResourceKey, Keyed>> {
  const keys = [...new Set(versions.flatMap((version) => (version.patient === undefined ? [] : [version.patient])))];
  const known = await deps.keyring.patientSecrets(keys.filter((key) => !fresh.has(key)));
  const keyed = new Map<ResourceKey, Keyed>();
  for (const key of keys) keyed.set(key, patientTokens(known.get(key) ?? (await draft.addPatient(key))));
  for (const { target, patient } of versions) {
    if (target.type === 'Consent' && patient !== undefined) draft.item.consentPatients.push(patient);
  }
  return keyed;
}

interface SealedVersions {
  readonly payload: number;
  readonly targets: readonly Target[];
}

/** Seals versions in groups of one lockbox each, and enters their record and token rows. */
export async function sealVersions(
  draft: Draft,
  keyring: Keyring,
  source: number,
  versions: readonly Version[],
  keyed: ReadonlyMap<ResourceKey, Keyed>,
): Promise<SealedVersions[]> {
  const byLockbox = groupBy(versions, (version) => `${version.patient ?? ''} ${version.labels}`);
  const sealed: SealedVersions[] = [];
  const rest = pace();
  for (const inLockbox of byLockbox.values()) {
    for (const group of splitGroups(alike(inLockbox))) {
      const { patient, labels } = group[0].version;
      const plaintext = Buffer.from(`${group.map(({ line }) => line).join('\n')}\n`);
      const payload = await draft.addPayload(patient, labels, 0, 'application/fhir+ndjson', plaintext);
      const tokens = new TokenRows();
      group.forEach(({ version: { target, resource } }, line) => {
        draft.item.records.push({
          resource: target.key,
          version: target.version + 1,
          payload,
          line,
          source,
          sourceTime: target.sourceTime,
        });
        if (isTombstone(resource)) return;
        tokens.addResource(resource, line, keyring.gatewayToken, patient && keyed.get(patient));
      });
      for (const row of tokens.rows(payload)) draft.item.tokens.push(row);
      sealed.push({ payload, targets: group.map(({ version }) => version.target) });
      await rest();
    }
  }
  return sealed;
}

/** Records of one lockbox from which on they are put in order: below, one group holds them all, or nearly. */
const ORDERED_FROM = 4 * GROUP_MAX_LINES;

/**
 * Records of one type and code side by side: an index row stands for all lines of a group that share a token, so that a result of
 * thousands of lines has a fraction of the rows that it has in the order of its sender.
 */
function alike(versions: readonly Version[]): readonly Version[] {
  if (versions.length < ORDERED_FROM) return versions;
  const keys = new Map(versions.map((version) => [version, kindOf(version.resource)] as const));
  const keyOf = (version: Version): string => keys.get(version) ?? '';
  return versions.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0));
}

/** Type and first code: `Observation 718-7`. */
function kindOf({ resourceType, code }: StoredResource): string {
  const coding: unknown = isObject(code) && Array.isArray(code.coding) ? code.coding[0] : undefined;
  return isObject(coding) && typeof coding.code === 'string' ? `${resourceType} ${coding.code}` : resourceType;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

interface Line {
  readonly version: Version;
  readonly line: string;
}

/** One by one, so that a message of thousands of resources is not written out at a stretch. */
function* splitGroups(versions: readonly Version[]): Generator<[Line, ...Line[]]> {
  let group: [Line, ...Line[]] | undefined;
  let bytes = 0;
  for (const version of versions) {
    const line = stringifyFhirJson(version.resource);
    const size = Buffer.byteLength(line) + 1;
    if (size > GROUP_BYTES) {
      throw new GatewayError(
        'too-large',
        `a resource takes at most ${GROUP_BYTES} bytes; send large attachments as documents of their own`,
        {
          expression: version.target.type,
        },
      );
    }
    if (group === undefined || group.length === GROUP_MAX_LINES || bytes + size > GROUP_BYTES) {
      if (group !== undefined) yield group;
      group = [{ version, line }];
      bytes = size;
    } else {
      group.push({ version, line });
      bytes += size;
    }
  }
  if (group !== undefined) yield group;
}
