/** The bytes of a message for the person who looks after an interface. The access is anchored before anything is handed out. */
import { systemPermit } from '../consent/permit.ts';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Principal } from '../core/principal.ts';
import { openRaw } from './raw-message.ts';
import type { AccessRecorder } from './record-access.ts';
import { openMessage, type StoredMessageDeps } from './stored-message.ts';

export interface ShowRawDeps extends StoredMessageDeps {
  readonly recorder: AccessRecorder;
}

/**
 * The message as it came; of one that was reprocessed, the original. The event stands in the trail of the patient in whose
 * lockbox it lies, else in the gateway's own. Throws `not-found`, `integrity`, and what keeps the event from being anchored.
 */
export async function showRaw(
  deps: ShowRawDeps,
  principal: Principal,
  leaf: LeafIndex,
  requestId: string,
): Promise<Buffer> {
  const opened = await openMessage(deps, leaf);
  if (opened === undefined) throw new GatewayError('not-found', 'this leaf is not that of an HL7 v2 message');
  const { document, content } = opened;
  if (content.reprocessOf !== undefined) return showRaw(deps, principal, content.reprocessOf, requestId);
  const { bytes, patient } = await openRaw(deps, systemPermit('reprocess'), leaf, document, content);
  await deps.recorder.record({
    principal,
    interaction: 'read',
    outcome: 'permitted',
    patient,
    references: [`MessageHeader/m-${leaf}`],
    reasons: { reasons: ['source-message'], combiner: '', consents: [] },
    requestId,
  });
  return bytes;
}
