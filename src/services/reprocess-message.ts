/**
 * Takes messages out of quarantine: converts them once more, as of the time at which they came and by the profile that their source
 * has now. Idempotent: what was converted before stays as it is, and of two at once one wins.
 */
import { systemPermit } from '../consent/permit.ts';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import { ackHeader } from '../formats/hl7v2/ack.ts';
import type { Details, QuarantineReason } from '../record/manifest.ts';
import type { QuarantineFilter } from './quarantine-store.ts';
import { openRaw } from './raw-message.ts';
import type { Sources } from './sources.ts';
import { openMessage, type StoredMessageDeps } from './stored-message.ts';
import { resubmitHl7v2, type SubmitHl7v2Deps } from './submit-hl7v2.ts';

export interface ReprocessDeps extends StoredMessageDeps, SubmitHl7v2Deps {
  readonly sources: Sources;
  readonly clock: Clock;
}

/** What became of one message. `leaf`: how it is named. */
export type Reprocessed = { readonly leaf: LeafIndex } & (
  | { readonly outcome: 'converted'; /** Of the manifest of what it became. */ readonly by: LeafIndex }
  /** It was converted before. */
  | { readonly outcome: 'already'; readonly by: LeafIndex }
  | { readonly outcome: 'not-in-quarantine' }
  /** It still cannot be converted, and why. */
  | { readonly outcome: 'kept'; readonly reason: QuarantineReason }
);

/**
 * Reprocesses one message. `who` stands in the new manifest. Durable on return. Throws `not-found` for a leaf that is no HL7 v2
 * message, `integrity`, and what keeps the gateway from writing (`unavailable`, `storage-full`).
 */
export async function reprocessMessage(deps: ReprocessDeps, leaf: LeafIndex, who: Details): Promise<Reprocessed> {
  const opened = await openMessage(deps, leaf);
  if (opened === undefined) throw new GatewayError('not-found', 'this leaf is not that of an HL7 v2 message');
  const { document, content } = opened;
  if (content.quarantine === undefined) return { leaf, outcome: 'not-in-quarantine' };
  const by = (await deps.quarantine.reprocessed([leaf])).get(leaf);
  if (by !== undefined) return { leaf, outcome: 'already', by };
  const { bytes } = await openRaw(deps, systemPermit('reprocess'), leaf, document, content);
  const { profile, refused } = deps.sources.chooseKept(ackHeader(bytes), content.source);
  if (refused !== undefined) return { leaf, outcome: 'kept', reason: reasonOf(refused) };
  const result = await resubmitHl7v2(deps, {
    bytes,
    profile,
    receivedAt: content.at,
    leaf,
    now: deps.clock.now(),
    details: { reprocessedBy: who },
  });
  if (result instanceof GatewayError) return { leaf, outcome: 'kept', reason: reasonOf(result) };
  return { leaf, outcome: result.replayed ? 'already' : 'converted', by: result.leaf };
}

/**
 * Messages of the quarantine from a leaf on, in the order in which they came, each once; what comes meanwhile is left for the
 * next time.
 */
export async function* messagesInQuarantine(
  { quarantine }: Pick<StoredMessageDeps, 'quarantine'>,
  filter: QuarantineFilter,
  first = 0,
): AsyncGenerator<LeafIndex, void> {
  const [last] = await quarantine.openBelow(Number.MAX_SAFE_INTEGER, filter, 1);
  for (let from = first; last !== undefined && from <= last;) {
    const leaves = await quarantine.openFrom(from, filter, PAGE);
    for (const leaf of leaves) if (leaf <= last) yield leaf;
    if (leaves.length < PAGE) return;
    from = leaves[PAGE - 1] + 1;
  }
}

const PAGE = 200;

function reasonOf({ code, expression, message: text }: GatewayError): QuarantineReason {
  return { code, ...(expression !== undefined && { expression }), text };
}
