/**
 * Takes a message out of quarantine for good, with nothing made of it: a test message, one that its sender has corrected by another. The
 * decision is anchored like a conversion; bytes and reason stay where they are. Idempotent; it cannot be taken back.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Details } from '../record/manifest.ts';
import type { Writer } from '../write/submission.ts';
import { openMessage, type StoredMessageDeps } from './stored-message.ts';

export interface DismissDeps extends StoredMessageDeps {
  readonly writer: Writer;
  readonly clock: Clock;
}

/** Characters of the words that go with it. */
export const BECAUSE_MAX = 200;

/** What became of one message; `by`: leaf of the manifest that took it out of quarantine, now or before. */
export type Dismissed = { readonly leaf: LeafIndex } & (
  { readonly outcome: 'dismissed' | 'already'; readonly by: LeafIndex } | { readonly outcome: 'not-in-quarantine' }
);

/** `because` must hold no patient data: erasure does not reach it. Throws `not-found`, `invalid-content`, as `reprocessMessage`. */
export async function dismissMessage(
  deps: DismissDeps,
  leaf: LeafIndex,
  because: string,
  who: Details,
): Promise<Dismissed> {
  const text = because.trim();
  if (text === '' || text.length > BECAUSE_MAX || /\p{Cc}/u.test(text))
    throw new GatewayError('invalid-content', `say why, in 1 to ${BECAUSE_MAX} characters, without patient data`);
  const opened = await openMessage(deps, leaf);
  if (opened === undefined) throw new GatewayError('not-found', 'this leaf is not that of an HL7 v2 message');
  const { source, time, quarantine } = opened.content;
  if (quarantine === undefined) return { leaf, outcome: 'not-in-quarantine' };
  const accepted = await deps.writer.submit({
    kind: 'hl7v2',
    source,
    changes: [],
    receivedAt: deps.clock.now(),
    sourceTime: time,
    details: { ...opened.details, dismissed: text, dismissedBy: who },
    reprocessOf: leaf,
  });
  return { leaf, outcome: accepted.replayed ? 'already' : 'dismissed', by: accepted.leaf };
}
