/**
 * Opening records: the only way from a sealed group to a resource. It takes the permit that a decision gave and checks
 * that it covers this lockbox; after slicing a line it checks that id and version are those of the row that led here, so
 * that nothing can be rolled back or swapped inside a lockbox. The residual predicate is applied before anything leaves.
 */
import type { Permit, SystemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import type { ResourceKey } from '../core/ids.ts';
import { parseStoredJson } from '../formats/fhir/json.ts';
import type { StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey, type IndexSecret } from '../keys/index-secret.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { unsealGroup } from './sealed-group.ts';

/** Which line of a group, and what must stand there. */
export interface ExpectedLine {
  readonly line: number;
  readonly resource: ResourceKey;
  readonly version: number;
}

const NEWLINE = 0x0a;

/** Lines of a group's plaintext without the padding; at most 64. */
export function splitLines(plaintext: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let from = 0;
  while (from < plaintext.length && plaintext[from] !== NEWLINE) {
    const at = plaintext.indexOf(NEWLINE, from);
    const to = at < 0 ? plaintext.length : at;
    lines.push(plaintext.subarray(from, to));
    from = to + 1;
  }
  return lines;
}

/** Parses one line of a group that was just authenticated. Throws `integrity`. */
export function parseLine(line: Buffer): StoredResource {
  const parsed = parseStoredJson(line.toString());
  if (!isStored(parsed)) throw new GatewayError('integrity', 'a line of a sealed group is not a resource');
  return parsed;
}

function isStored(value: unknown): value is StoredResource {
  if (typeof value !== 'object' || value === null) return false;
  const { resourceType, id, meta } = value as Partial<StoredResource>;
  return typeof resourceType === 'string' && typeof id === 'string' && typeof meta?.versionId === 'string';
}

/**
 * Opens lines of one group; in the order asked, undefined where the permit's residual predicate refuses the record.
 * Throws `forbidden` when the permit is for another lockbox, `integrity` when a line is not what the row said.
 */
export function openLines(
  permit: Permit | SystemPermit,
  lockbox: Lockbox,
  packed: Buffer,
  expected: readonly ExpectedLine[],
  gatewaySecret: IndexSecret,
): readonly (StoredResource | undefined)[] {
  if (permit.kind === 'permit' && (permit.patient !== lockbox.patient || permit.labels !== lockbox.labels)) {
    throw new GatewayError('forbidden', 'the permit does not cover this record');
  }
  const lines = splitLines(unsealGroup(lockbox.keyObject, packed).plaintext);
  return expected.map(({ line, resource, version }) => {
    const bytes = lines[line];
    if (bytes === undefined) throw new GatewayError('integrity', 'a sealed group has fewer lines than its rows say');
    const opened = parseLine(bytes);
    if (
      resourceKey(gatewaySecret, opened.resourceType, opened.id) !== resource ||
      opened.meta.versionId !== String(version)
    ) {
      throw new GatewayError('integrity', 'a sealed line is not the version that its row names');
    }
    return permit.kind === 'system' || permit.residual(opened) ? opened : undefined;
  });
}

/**
 * Opens lines that only the blind index proposed. The caller must check each against its record row (`checkLine`) before
 * it is used: the index may only narrow. Undefined where the residual predicate refuses the record.
 */
export function openCandidates(
  permit: Permit | SystemPermit,
  lockbox: Lockbox,
  packed: Buffer,
  lines: readonly number[],
): readonly (StoredResource | undefined)[] {
  if (permit.kind === 'permit' && (permit.patient !== lockbox.patient || permit.labels !== lockbox.labels)) {
    throw new GatewayError('forbidden', 'the permit does not cover this record');
  }
  const all = splitLines(unsealGroup(lockbox.keyObject, packed).plaintext);
  return lines.map((line) => {
    const bytes = all[line];
    if (bytes === undefined)
      throw new GatewayError('integrity', 'a sealed group has fewer lines than its index rows say');
    const opened = parseLine(bytes);
    return permit.kind === 'system' || permit.residual(opened) ? opened : undefined;
  });
}

/**
 * Opens every line of a group whose place a manifest names. The caller says nothing of what is current by it. Lines that the
 * residual predicate refuses are left out.
 */
export function openWhole(permit: Permit | SystemPermit, lockbox: Lockbox, packed: Buffer): readonly StoredResource[] {
  if (permit.kind === 'permit' && (permit.patient !== lockbox.patient || permit.labels !== lockbox.labels)) {
    throw new GatewayError('forbidden', 'the permit does not cover this record');
  }
  const lines = splitLines(unsealGroup(lockbox.keyObject, packed).plaintext).map(parseLine);
  return permit.kind === 'system' ? lines : lines.filter((line) => permit.residual(line));
}
