/** Lists the HL7 v2 messages of the gateway, newest first: those in quarantine by its rows, all of them out of the log. */
import type { LeafIndex } from '../core/ids.ts';
import { sourceNumber } from '../keys/index-secret.ts';
import type { QuarantineFilter } from './quarantine-store.ts';
import { openDocument, openMessage, summaryOf, type MessageSummary, type StoredMessageDeps } from './stored-message.ts';

export interface MessageQuery {
  /** Those that wait in quarantine alone. */
  readonly quarantined: boolean;
  readonly source?: string;
  /** Code of the reason for quarantine. */
  readonly reason?: string;
  /** Received then or later, milliseconds since 1970. */
  readonly since?: number;
  /** Leaves below this one. */
  readonly before?: number;
  readonly limit: number;
}

export interface MessagePage {
  readonly messages: readonly MessageSummary[];
  /** Where the next page begins (`before`); absent on the last one. A page may be short, even empty, and not the last. */
  readonly next?: number;
}

/** Documents looked at for one page, and at a time: a log has more reads than messages. */
const SCAN_MAX = 20_000;
const SCAN_PAGE = 500;
/** Messages of many connections are anchored not quite in the order in which they came, milliseconds. */
const DISORDER_MS = 3_600_000;

export async function listMessages(deps: StoredMessageDeps, query: MessageQuery): Promise<MessagePage> {
  return query.quarantined || query.reason !== undefined ? listQuarantine(deps, query) : scanLog(deps, query);
}

/** The query as the rows of the quarantine know it. */
export function quarantineFilter(
  { keyring }: Pick<StoredMessageDeps, 'keyring'>,
  { reason, source, since }: Pick<MessageQuery, 'reason' | 'source' | 'since'>,
): QuarantineFilter {
  return {
    ...(reason !== undefined && { reason }),
    ...(source !== undefined && { source: sourceNumber(keyring.gatewaySecret, source) }),
    ...(since !== undefined && { since }),
  };
}

async function listQuarantine(deps: StoredMessageDeps, query: MessageQuery): Promise<MessagePage> {
  const { before = Number.MAX_SAFE_INTEGER, limit } = query;
  const leaves = await deps.quarantine.openBelow(before, quarantineFilter(deps, query), limit);
  const messages = await Promise.all(
    leaves.map(async (leaf) => {
      const opened = await openMessage(deps, leaf);
      return opened === undefined ? [] : [summaryOf(leaf, opened, undefined)];
    }),
  );
  return { messages: messages.flat(), ...(leaves.length === limit && { next: leaves[limit - 1] }) };
}

async function scanLog(deps: StoredMessageDeps, query: MessageQuery): Promise<MessagePage> {
  const { source, since = 0, limit } = query;
  const found: MessageSummary[] = [];
  let before = query.before ?? Number.MAX_SAFE_INTEGER;
  for (let seen = 0; seen < SCAN_MAX; seen += SCAN_PAGE) {
    const documents = await deps.quarantine.documentsBelow(before, SCAN_PAGE);
    const opened = await Promise.all(
      documents.map(async ({ leaf, body }) => ({ leaf, message: await openDocument(deps.keyring, body) })),
    );
    const kept = opened.flatMap(({ leaf, message }) => (message?.content.quarantine === undefined ? [] : [leaf]));
    const reprocessed = await deps.quarantine.reprocessed(kept);
    for (const { leaf, message } of opened) {
      before = leaf;
      if (message === undefined) continue;
      const { at, source: from } = message.content;
      if (at < since - DISORDER_MS) return { messages: found };
      if (at < since || (source !== undefined && source !== from)) continue;
      found.push(summaryOf(leaf, message, reprocessed.get(leaf)));
      if (found.length === limit) return { messages: found, next: leaf };
    }
    if (documents.length < SCAN_PAGE) return { messages: found };
  }
  return { messages: found, next: before };
}

/** For the leaf of a message that a person typed or a path names; undefined when it is none. */
export function parseLeaf(text: string): LeafIndex | undefined {
  if (!/^(0|[1-9]\d{0,12})$/.test(text)) return undefined;
  return Number(text) as LeafIndex;
}
