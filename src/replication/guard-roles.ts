/**
 * Witness and mirror behind the release gate: what they have accepted of others stands in the same database, so that one which
 * was rolled back has forgotten it. A witness that has forgotten would cosign a second tree.
 */
import type { Mirror } from './mirror.ts';
import type { Witness } from './witness.ts';

/** `check` throws when this database may not be written. Reads go on. */
export function guardRoles<Roles extends { readonly witness: Witness; readonly mirror: Mirror }>(
  roles: Roles,
  check: () => void,
): Roles {
  const { witness, mirror } = roles;
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    check();
    return work();
  };
  return {
    ...roles,
    witness: { ...witness, addCheckpoint: (body) => guarded(() => witness.addCheckpoint(body)) },
    mirror: {
      ...mirror,
      addCheckpoint: (body) => guarded(() => mirror.addCheckpoint(body)),
      addEntries: (body) => guarded(() => mirror.addEntries(body)),
      addData: (origin, from, body) => guarded(() => mirror.addData(origin, from, body)),
      addBlob: (origin, digest, body) => guarded(() => mirror.addBlob(origin, digest, body)),
      addBlobPart: (origin, digest, from, body) => guarded(() => mirror.addBlobPart(origin, digest, from, body)),
    },
  };
}
