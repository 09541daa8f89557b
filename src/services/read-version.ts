/** Vread: one version of a resource. */
import { resourceKey } from '../keys/index-secret.ts';
import { answerVersion, type ReadRequest, type ReadVersion } from './open-version.ts';
import { readRendered } from './read-rendered.ts';
import type { RenderDeps } from './render-message.ts';
import { leafOfRenderedId } from './rendered-id.ts';

const VERSION_ID = /^[1-9]\d{0,8}$/;

/** The number of a version by its FHIR id; undefined for what is no version of ours. */
export function versionNumber(versionId: string): number | undefined {
  return VERSION_ID.test(versionId) ? Number(versionId) : undefined;
}

/** Recorded before it returns. Throws `not-found`, `forbidden`, `gone`. */
export async function readVersion(deps: RenderDeps, request: ReadRequest, versionId: string): Promise<ReadVersion> {
  const leaf = leafOfRenderedId(request.type, request.id);
  if (leaf !== undefined && versionId === '1') return readRendered(deps, request, 'vread', leaf);
  const key = resourceKey(deps.keyring.gatewaySecret, request.type, request.id);
  const version = versionNumber(versionId);
  const stored = version === undefined ? undefined : await deps.records.version(key, version);
  return answerVersion(deps, request, 'vread', stored);
}
