/** Vread: one version of a resource. */
import { resourceKey } from '../keys/index-secret.ts';
import { answerVersion, type ReadDeps, type ReadRequest, type ReadVersion } from './open-version.ts';

const VERSION_ID = /^[1-9]\d{0,8}$/;

/** Recorded before it returns. Throws `not-found`, `forbidden`, `gone`. */
export async function readVersion(deps: ReadDeps, request: ReadRequest, versionId: string): Promise<ReadVersion> {
  const key = resourceKey(deps.keyring.gatewaySecret, request.type, request.id);
  const stored = VERSION_ID.test(versionId) ? await deps.records.version(key, Number(versionId)) : undefined;
  return answerVersion(deps, request, 'vread', stored);
}
