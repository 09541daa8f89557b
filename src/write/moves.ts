/**
 * Visits and accounts that a source moves to another patient (A44, A45): the message itself reseals the one that it names, the anchor,
 * under the right patient; the versions before are withdrawn; what hangs on it follows in the background (`services/move-records`).
 */
import { GatewayError } from '../core/errors.ts';
import { randomUuid, type Random } from '../core/random.ts';
import type { Change } from '../formats/fhir/change.ts';
import { isTombstone } from '../formats/fhir/resource.ts';
import { messageKey, type IndexSecret } from '../keys/index-secret.ts';
import { isLinked } from './link-chain.ts';
import { MOVE_SOURCE, type CommitItem, type PrepareStore, type RecordMove } from './ports.ts';
import type { Target } from './target.ts';
import type { Version } from './versions.ts';

/**
 * Lets the targets of moves become another patient's. Throws `conflict` where the resource lies in the record of neither of the two
 * patients: then nobody knows what was meant.
 */
export async function allowMoves(
  store: Pick<PrepareStore, 'links'>,
  changes: readonly Change[],
  targets: readonly Target[],
): Promise<void> {
  for (const [i, change] of changes.entries()) {
    if (change.mode !== 'merge' || change.movedFrom === undefined) continue;
    const target = targets[i];
    const from = targets[change.movedFrom].key;
    const owner = target.current === undefined || isTombstone(target.current) ? undefined : target.lockbox?.patient;
    if (owner === undefined || target.next === undefined) continue;
    const to = change.patient === undefined ? undefined : targets[change.patient].key;
    if (owner === to) continue;
    if (owner !== from && !isLinked(await store.links([owner]), owner, from)) {
      throw new GatewayError(
        'conflict',
        'what is to be moved lies in the record of a patient whom the message does not name',
        {
          expression: 'MRG-1',
        },
      );
    }
    target.moved = true;
  }
}

/** The versions that are withdrawn by new ones under another patient. */
export function withdrawnBy(versions: readonly Version[]): NonNullable<CommitItem['withdrawn']> {
  return versions.flatMap(({ target, patient }) =>
    target.moved && target.lockbox !== undefined && target.lockbox.patient !== patient
      ? [{ resource: target.key, version: target.version }]
      : [],
  );
}

/** What is to follow the anchors that a message has moved. */
export function movesOf(
  secret: IndexSecret,
  random: Random,
  changes: readonly Change[],
  targets: readonly Target[],
  versions: readonly Version[],
): readonly RecordMove[] {
  const anchors = new Set(
    changes.flatMap((change, i) => (change.mode === 'merge' && change.movedFrom !== undefined ? [targets[i]] : [])),
  );
  return versions.flatMap(({ target, patient: to }): RecordMove[] => {
    const from = target.lockbox?.patient;
    if (!anchors.has(target) || !target.moved || from === undefined || to === undefined || from === to) return [];
    return [{ anchor: target.key, from, to, ...moveControl(secret, randomUuid(random)) }];
  });
}

/** The control id of the message that ends a move, as it is said and as the table of messages has it. */
export function moveControl(secret: IndexSecret, id: string): Pick<RecordMove, 'id' | 'control'> {
  return { id, control: messageKey(secret, MOVE_SOURCE, id, Buffer.alloc(0)).control };
}
