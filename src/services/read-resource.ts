/** Read: the current version of a resource. */
import { resourceKey } from '../keys/index-secret.ts';
import { answerVersion, type ReadDeps, type ReadRequest, type ReadVersion } from './open-version.ts';

/** Recorded before it returns. Throws `not-found`, `forbidden`, `gone`. */
export async function readResource(deps: ReadDeps, request: ReadRequest): Promise<ReadVersion> {
  const key = resourceKey(deps.keyring.gatewaySecret, request.type, request.id);
  const stored = (await deps.records.current([key])).get(key);
  return answerVersion(deps, request, 'read', stored);
}
