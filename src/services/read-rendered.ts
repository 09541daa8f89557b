/** Read of a rendered resource, recorded in the trail of every patient whose records it names. */
import type { LeafIndex } from '../core/ids.ts';
import { notFound, type ReadRequest, type ReadVersion } from './open-version.ts';
import { renderMessage, type RenderDeps } from './render-message.ts';

/** Throws `not-found` where there is no such message, or nothing of it for this caller. */
export async function readRendered(
  deps: RenderDeps,
  request: ReadRequest,
  interaction: 'read' | 'vread',
  leaf: LeafIndex,
): Promise<ReadVersion> {
  const { principal, type, id, requestId } = request;
  const rendered = await renderMessage(deps, principal, type, leaf);
  const base = { principal, interaction, references: [`${type}/${id}`], requestId };
  if (rendered === undefined) {
    await deps.recorder.record({ ...base, outcome: 'not-found', patient: undefined });
    throw notFound();
  }
  await Promise.all(
    [...rendered.permits].map(([patient, reasons]) =>
      deps.recorder.record({ ...base, outcome: 'permitted', patient, reasons }),
    ),
  );
  return { resource: rendered.resource, group: rendered.group };
}
