/** Create, update and delete of one resource by a FHIR client. Each is one message with one Change. */
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import type { Change } from '../formats/fhir/change.ts';
import type { Resource } from '../formats/fhir/resource.ts';
import { businessKeys } from './business-keys.ts';
import type { Result } from '../write/submission.ts';
import type { WriteRequest } from './authorize-write.ts';
import { checkSubmitted, isResource, refuseIssues } from './check-submitted.ts';
import { submitChanges, type WriteDeps } from './write-changes.ts';

export type SingleWrite = Pick<WriteRequest, 'principal' | 'requestId'> & { readonly type: string };

export interface Written {
  readonly result: Result;
  /** Leaf of the manifest that anchors this write. */
  readonly leaf: LeafIndex;
}

/** Always makes a new id. Throws `invalid-content`, `business-rule`, `forbidden`, `not-found`. */
export async function createResource(deps: WriteDeps, request: SingleWrite, body: unknown): Promise<Written> {
  const set = accepted(body, request.type);
  return submitOne(deps, request, 'create', {
    mode: 'replace',
    type: request.type,
    keys: businessKeys(set),
    set: withoutId(set),
    sourceTime: deps.clock.now(),
  });
}

/** Creates or replaces the resource at a client-chosen id. Besides the above throws `conflict`, `precondition-failed`. */
export async function updateResource(
  deps: WriteDeps,
  request: SingleWrite & { readonly id: string; readonly ifVersion: string | undefined },
  body: unknown,
): Promise<Written> {
  const { type, id, ifVersion } = request;
  const set = accepted(body, type);
  if (set.id !== id) {
    throw new GatewayError('invalid-syntax', 'the id in the body must be the id in the URL', {
      expression: `${type}.id`,
    });
  }
  return submitOne(deps, request, 'update', {
    mode: 'replace',
    type,
    id,
    keys: businessKeys(set),
    set: withoutId(set),
    sourceTime: deps.clock.now(),
    ...(ifVersion === undefined ? {} : { ifVersion }),
  });
}

/** The next version is a tombstone; deleting what is deleted changes nothing. Throws `not-found` for what never was. */
export async function deleteResource(
  deps: WriteDeps,
  request: SingleWrite & { readonly id: string; readonly ifVersion: string | undefined },
): Promise<Written> {
  const { type, id, ifVersion } = request;
  return submitOne(deps, request, 'delete', {
    mode: 'delete',
    type,
    id,
    keys: [],
    sourceTime: deps.clock.now(),
    ...(ifVersion === undefined ? {} : { ifVersion }),
  });
}

function accepted(body: unknown, type: string): Resource {
  refuseIssues(checkSubmitted(body, type));
  if (!isResource(body)) throw new GatewayError('invalid-syntax', 'the body is not a FHIR resource');
  return body;
}

/** Ids and versions are the server's to set. */
export function withoutId({ id: _id, ...content }: Resource): Resource {
  return { ...content, resourceType: content.resourceType };
}

async function submitOne(
  deps: WriteDeps,
  request: SingleWrite,
  interaction: 'create' | 'update' | 'delete',
  change: Change,
): Promise<Written> {
  const accepted = await submitChanges(deps, { ...request, interaction }, [change]);
  const [result] = accepted.results;
  if (result === undefined) throw new GatewayError('internal', 'a write gave no result');
  return { result, leaf: accepted.leaf };
}
