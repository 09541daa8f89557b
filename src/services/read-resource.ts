/** Read: the current version of a resource. */
import { resourceKey } from '../keys/index-secret.ts';
import { answerVersion, type ReadRequest, type ReadVersion } from './open-version.ts';
import { readRendered } from './read-rendered.ts';
import type { RenderDeps } from './render-message.ts';
import { leafOfRenderedId } from './rendered-id.ts';

/** Recorded before it returns. Throws `not-found`, `forbidden`, `gone`. */
export async function readResource(deps: RenderDeps, request: ReadRequest): Promise<ReadVersion> {
  const leaf = leafOfRenderedId(request.type, request.id);
  if (leaf !== undefined) return readRendered(deps, request, 'read', leaf);
  const key = resourceKey(deps.keyring.gatewaySecret, request.type, request.id);
  const stored = (await deps.records.current([key])).get(key);
  return answerVersion(deps, request, 'read', stored);
}
