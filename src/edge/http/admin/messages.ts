/** `/admin/messages`: the HL7 v2 messages of this gateway, and its quarantine. Metadata and reasons; never their bytes. */
import { GatewayError, isErrorCode } from '../../../core/errors.ts';
import type { LeafIndex } from '../../../core/ids.ts';
import type { Principal } from '../../../core/principal.ts';
import { dismissMessage } from '../../../services/dismiss-message.ts';
import { listMessages, parseLeaf, quarantineFilter, type MessageQuery } from '../../../services/list-messages.ts';
import type { Level } from '../../../services/peer-services.ts';
import {
  messagesInQuarantine,
  reprocessMessage,
  type Reprocessed,
  type ReprocessDeps,
} from '../../../services/reprocess-message.ts';
import { storedMessage } from '../../../services/stored-message.ts';
import { countOf, parametersOf, type AdminAnswer, type AdminCall, type AdminRoute } from './call.ts';

/** Messages of one page, and reprocessed by one request. */
const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;

export interface MessageRouteDeps extends ReprocessDeps {
  /** How far the manifest of a leaf has come in the network. */
  readonly levelOf: (leaf: number) => Level;
}

export function messageRoutes(deps: MessageRouteDeps): readonly AdminRoute[] {
  return [
    { method: 'get', path: '/messages', needs: 'read', handler: list(deps) },
    { method: 'post', path: '/messages/reprocess', needs: 'write', handler: reprocessMany(deps) },
    { method: 'get', path: '/messages/:leaf', needs: 'read', handler: show(deps) },
    { method: 'post', path: '/messages/:leaf/reprocess', needs: 'write', handler: reprocessOne(deps) },
    { method: 'post', path: '/messages/:leaf/dismiss', needs: 'write', handler: dismiss(deps) },
  ];
}

type Handler = (call: AdminCall) => Promise<AdminAnswer>;

function list(deps: MessageRouteDeps): Handler {
  return async (call) => {
    const given = parametersOf(call, ['quarantined', 'source', 'reason', 'since', 'before', 'limit']);
    if (given.quarantined !== undefined && given.quarantined !== 'true' && given.quarantined !== 'false')
      throw new GatewayError('invalid-syntax', 'quarantined is true or false');
    const before = given.before === undefined ? undefined : countOf(given.before);
    if (given.before !== undefined && before === undefined)
      throw new GatewayError('invalid-syntax', 'before is a leaf: a number from 0');
    const query: MessageQuery = {
      quarantined: given.quarantined === 'true',
      limit: limitOf(given.limit),
      ...(before !== undefined && { before }),
      ...chosenBy(given),
    };
    const { messages, ...page } = await listMessages(deps, query);
    return {
      status: 200,
      body: { messages: messages.map((one) => ({ ...one, level: deps.levelOf(one.leaf) })), ...page },
    };
  };
}

function show(deps: MessageRouteDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    const message = await storedMessage(deps, leafOf(call));
    if (message === undefined) throw new GatewayError('not-found', 'this leaf is not that of an HL7 v2 message');
    return { status: 200, body: { ...message, level: deps.levelOf(message.leaf) } };
  };
}

function reprocessOne(deps: ReprocessDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    return { status: 200, body: await reprocessMessage(deps, leafOf(call), whoOf(call.principal)) };
  };
}

function dismiss(deps: ReprocessDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    const { body } = call;
    const because = typeof body === 'object' && body !== null && 'because' in body ? body.because : undefined;
    if (typeof because !== 'string')
      throw new GatewayError('invalid-content', 'the body says why: {"because": "..."}', { expression: 'because' });
    return { status: 200, body: await dismissMessage(deps, leafOf(call), because, whoOf(call.principal)) };
  };
}

/** Takes the oldest first; `next` is where the next request goes on, absent when the end was reached. */
function reprocessMany(deps: ReprocessDeps): Handler {
  return async (call) => {
    const given = parametersOf(call, ['source', 'reason', 'since', 'from', 'limit']);
    const from = given.from === undefined ? 0 : countOf(given.from);
    if (from === undefined) throw new GatewayError('invalid-syntax', 'from is a leaf: a number from 0');
    const limit = limitOf(given.limit);
    const results: Reprocessed[] = [];
    for await (const leaf of messagesInQuarantine(deps, quarantineFilter(deps, chosenBy(given)), from)) {
      if (results.length === limit) return { status: 200, body: { messages: results, next: leaf } };
      results.push(await reprocessMessage(deps, leaf, whoOf(call.principal)));
    }
    return { status: 200, body: { messages: results } };
  };
}

function leafOf({ params }: AdminCall): LeafIndex {
  const leaf = parseLeaf(params.leaf ?? '');
  if (leaf === undefined) throw new GatewayError('not-found', 'a message is named by its leaf: a number from 0');
  return leaf;
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? LIMIT_DEFAULT : countOf(text);
  if (limit === undefined || limit < 1 || limit > LIMIT_MAX)
    throw new GatewayError('invalid-syntax', `limit is 1 to ${LIMIT_MAX}`);
  return limit;
}

function chosenBy(given: {
  readonly source?: string;
  readonly reason?: string;
  readonly since?: string;
}): Pick<MessageQuery, 'source' | 'reason' | 'since'> {
  const since = given.since === undefined ? undefined : Date.parse(given.since);
  if (Number.isNaN(since)) throw new GatewayError('invalid-syntax', 'since is a date or an instant: 2026-01-31');
  const { source, reason } = given;
  if (reason !== undefined && !isErrorCode(reason))
    throw new GatewayError('invalid-syntax', 'reason is the code of one, such as unsupported-event');
  return {
    ...(source !== undefined && { source }),
    ...(reason !== undefined && { reason }),
    ...(since !== undefined && { since }),
  };
}

/** For the manifest: whose token it was. */
function whoOf({ issuer, subject, client }: Principal): Readonly<Record<string, string>> {
  return { issuer, subject, ...(client !== undefined && { client }) };
}
