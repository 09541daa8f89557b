/**
 * What hangs on a visit or account that was moved to another patient (A44, A45) follows it: each record gets a next version under the
 * right patient, and its versions before are withdrawn. In batches, each anchored; run again after a crash it goes on with what is left.
 */
import { systemPermit } from '../consent/permit.ts';
import type { Clock } from '../core/clock.ts';
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import type { ReplaceChange } from '../formats/fhir/change.ts';
import { mapReferences, parseReference } from '../formats/fhir/references.ts';
import { isTombstone, type StoredResource } from '../formats/fhir/resource.ts';
import { resourceKey } from '../keys/index-secret.ts';
import { openLines } from '../record/open.ts';
import type { Keyring } from '../write/keyring.ts';
import { MOVE_SOURCE } from '../write/ports.ts';
import type { Writer } from '../write/submission.ts';
import { BINARY_CONTENT, contentIdOf } from './binary-content.ts';
import type { PatientIds } from './patient-ids.ts';
import { recordsOf } from './patient-records.ts';
import type { RecordStore } from './record-store.ts';
import { withoutId } from './write-resource.ts';

/** One move as it stands in the ledger. */
export interface PendingMove {
  /** Of the message that moved the anchor. */
  readonly leaf: LeafIndex;
  readonly anchor: ResourceKey;
  readonly from: ResourceKey;
  readonly to: ResourceKey;
  /** Control id of the message that ends it. */
  readonly id: string;
}

export interface MoveDeps {
  readonly records: RecordStore;
  readonly keyring: Keyring;
  readonly patients: PatientIds;
  readonly writer: Writer;
  readonly clock: Clock;
  /** Told after each batch: records moved by this run so far. Must not throw. */
  readonly progress?: (move: PendingMove, moved: number) => void;
}

/** Records of one message. */
const BATCH = 50;
/** Looks at the record again until nothing is left, so often at most: messages may come meanwhile. */
const PASSES = 5;

/**
 * Types that move when a moved record refers to them, though they name no visit themselves. What is said of the patient (allergies,
 * relatives, coverage) stays.
 */
const FOLLOWS = new Set(
  'Binary DiagnosticReport DocumentReference ImagingStudy Media Observation Procedure ServiceRequest Specimen'.split(
    ' ',
  ),
);
/** Orders take with them what carries them out and names no visit itself: a result that was sent without PV1. */
const ORDERS = new Set(['ServiceRequest', 'MedicationRequest']);
/** Types that do not move by referring to what moves: they speak of other things too. */
const STAYS = new Set(['Consent', 'Provenance', 'List', 'Group', 'Account', 'EpisodeOfCare', 'CarePlan', 'CareTeam']);

/**
 * Moves all that is left; resolves with the number of records moved when the message that says so is durable. `stop`: asked before each
 * batch; then the move stays pending.
 */
export async function moveRecords(
  deps: MoveDeps,
  move: PendingMove,
  stop: () => boolean = () => false,
): Promise<number> {
  const sides = await sidesOf(deps, move);
  let moved = 0;
  for (let pass = 0; ; pass += 1) {
    const waiting = await findFollowers(deps, move, sides);
    if (waiting.length === 0) break;
    if (pass === PASSES) throw new GatewayError('busy', 'messages keep changing what is to be moved');
    for (let at = 0; at < waiting.length; at += BATCH) {
      if (stop()) return moved;
      moved += await moveBatch(deps, move, waiting.slice(at, at + BATCH), sides);
      deps.progress?.(move, moved);
    }
  }
  const now = deps.clock.now();
  const details = { moveOf: move.leaf, moved };
  const end = { kind: 'move', source: MOVE_SOURCE, control: move.id, receivedAt: now, sourceTime: now } as const;
  await deps.writer.submit({ ...end, changes: [], details });
  return moved;
}

interface Sides {
  /** The charts of the person whose the anchor was: what is said under a surviving number of a visit lies in another one than the visit. */
  readonly charts: ReadonlySet<ResourceKey>;
  /** References to these patients, and to the right one. */
  readonly from: ReadonlySet<string>;
  readonly to: string;
}

async function sidesOf(deps: MoveDeps, { from, to }: PendingMove): Promise<Sides> {
  const linked = (await deps.records.charts([from])).get(from) ?? [];
  const charts = new Set([from, ...linked.map(({ patient }) => patient)].filter((patient) => patient !== to));
  const ids = await Promise.all([...charts, to].map((patient) => deps.patients.idOf(patient)));
  const references = ids.map((id) => {
    if (id === undefined) throw new GatewayError('integrity', 'a patient of a move has no version');
    return `Patient/${id}`;
  });
  return { charts, from: new Set(references.slice(0, -1)), to: references[references.length - 1] };
}

/** References of the records in the wrong patient's charts that are to follow the anchor. */
async function findFollowers(deps: MoveDeps, move: PendingMove, { charts }: Sides): Promise<readonly string[]> {
  const anchor = await openCurrent(deps, [move.anchor]);
  const links = new Map<string, readonly string[]>();
  for (const chart of charts) {
    for await (const resource of recordsOf(deps, systemPermit('merge'), chart)) {
      links.set(`${resource.resourceType}/${resource.id}`, referencesIn(resource));
    }
  }
  const reached = new Set(anchor.map(({ resourceType, id }) => `${resourceType}/${id}`));
  const wanted = new Set(anchor.flatMap(referencesIn));
  const moving = new Set<string>();
  for (let grown = true; grown;) {
    grown = false;
    for (const [reference, targets] of links) {
      const type = reference.split('/')[0];
      if (moving.has(reference) || STAYS.has(type)) continue;
      const carriesOut = (target: string): boolean => isOrder(target) && !targets.some(isFrame);
      const names = targets.some((target) => reached.has(target) && (isFrame(target) || carriesOut(target)));
      if (!names && !(FOLLOWS.has(type) && wanted.has(reference))) continue;
      moving.add(reference);
      reached.add(reference);
      for (const target of targets) wanted.add(target);
      grown = true;
    }
  }
  const contents = [...moving].flatMap((reference) =>
    (links.get(reference) ?? []).filter((target) => target.startsWith(`${BINARY_CONTENT}/`)),
  );
  return [...moving, ...contents];
}

/** Visits and accounts take with them what names them. */
function isFrame(reference: string): boolean {
  return reference.startsWith('Encounter/') || reference.startsWith('Account/');
}

function isOrder(reference: string): boolean {
  return ORDERS.has(reference.split('/')[0]);
}

/** Local references, in attachments too. */
function referencesIn(resource: StoredResource): readonly string[] {
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, child] of Object.entries(value)) {
      const parsed =
        typeof child === 'string' && (name === 'reference' || name === 'url') ? parseReference(child) : undefined;
      if (parsed?.local === true) found.push(`${parsed.type}/${parsed.id}`);
      else visit(child);
    }
  };
  visit(resource);
  const content = resource.resourceType === 'Binary' ? contentIdOf(resource) : undefined;
  return content === undefined ? found : [...found, `${BINARY_CONTENT}/${content}`];
}

async function moveBatch(
  deps: MoveDeps,
  move: PendingMove,
  references: readonly string[],
  { charts, from, to }: Sides,
): Promise<number> {
  const keys = references.map((reference) => {
    const [type, id] = reference.split('/');
    return resourceKey(deps.keyring.gatewaySecret, type, id);
  });
  const standing = await openCurrent(deps, keys, charts);
  if (standing.length === 0) return 0;
  const now = deps.clock.now();
  const changes = standing.map((resource): ReplaceChange => {
    const set = mapReferences(withoutId(resource), (reference) => (from.has(reference) ? to : reference));
    const { resourceType: type, id, meta } = resource;
    return { mode: 'replace', type, id, keys: [], set, ifVersion: meta.versionId, moved: true, sourceTime: now };
  });
  try {
    const details = { moveOf: move.leaf };
    await deps.writer.submit({ kind: 'move', source: MOVE_SOURCE, changes, details, receivedAt: now, sourceTime: now });
    return changes.length;
  } catch (thrown) {
    // A message made a newer version meanwhile: the next pass takes that one.
    if (asGatewayError(thrown).code === 'precondition-failed') return 0;
    throw thrown;
  }
}

/** Current versions, tombstones left out; with `charts` only those in the lockboxes of these patients. */
async function openCurrent(
  deps: MoveDeps,
  keys: readonly ResourceKey[],
  charts?: ReadonlySet<ResourceKey>,
): Promise<readonly StoredResource[]> {
  const rows = [...(await deps.records.current(keys)).values()];
  const boxes = await deps.keyring.byLeaf(rows.map(({ lockbox }) => lockbox));
  return rows.flatMap((row) => {
    const box = boxes.get(row.lockbox);
    if (box === undefined || (charts !== undefined && (box.patient === undefined || !charts.has(box.patient))))
      return [];
    const opened = openLines(systemPermit('merge'), box, row.body, [row], deps.keyring.gatewaySecret);
    return opened.flatMap((resource) => (resource === undefined || isTombstone(resource) ? [] : [resource]));
  });
}
