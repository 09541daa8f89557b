/**
 * Read of a rendered resource, recorded in the trail of every patient whose records it names, or would have named. An answer
 * is 403 or 404 as for stored records.
 */
import type { LeafIndex } from '../core/ids.ts';
import { notFound, refusal, type ReadRequest, type ReadVersion } from './open-version.ts';
import type { Access } from './record-access.ts';
import { renderMessage, type RenderDeps } from './render-message.ts';

/** Recorded before it returns. Throws `not-found`, `forbidden`. */
export async function readRendered(
  deps: RenderDeps,
  request: ReadRequest,
  interaction: 'read' | 'vread' | 'history-instance' | 'operation',
  leaf: LeafIndex,
): Promise<ReadVersion> {
  const { principal, type, id, requestId } = request;
  const hearing = await renderMessage(deps, { principal, action: 'read', type }, leaf);
  const common = { principal, interaction, requestId };
  if (hearing.kind === 'refused') {
    const events = [...hearing.refusals].map(([patient, { reasons }]): Access => {
      return { ...common, outcome: 'denied', patient, references: [`${type}/${id}`], reasons };
    });
    await Promise.all(events.map((event) => deps.recorder.record(event)));
    throw refusal([...hearing.refusals.values()].every(({ mayKnow }) => mayKnow));
  }
  const resource = hearing.kind === 'none' ? undefined : hearing.resources.find((one) => one.id === id);
  if (hearing.kind === 'none' || resource === undefined) {
    await deps.recorder.record({
      ...common,
      outcome: 'not-found',
      patient: undefined,
      references: [`${type}/${id}`],
    });
    throw notFound();
  }
  const events = [...hearing.permits].map(([patient, reasons]): Access => {
    return { ...common, outcome: 'permitted', patient, references: [`${type}/${id}/_history/1`], reasons };
  });
  await Promise.all(events.map((event) => deps.recorder.record(event)));
  return { resource, group: hearing.group };
}
