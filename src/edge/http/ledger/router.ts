/**
 * The log over HTTP (C2SP tlog-tiles; docs/ledger.md): checkpoint, tiles, entry bundles, verifier key, blocks, receipts.
 * Public and without a token: leaves are opaque digests. Mounted under `/ledger`, which is the log's prefix.
 */
import { Router, type NextFunction, type Request, type Response } from 'express';
import { asGatewayError, GatewayError } from '../../../core/errors.ts';
import { describeError, type Log } from '../../../core/log.ts';
import type { Levels } from '../../../services/peer-services.ts';
import { BLOCKS_MAX, type ReadLedger } from '../../../services/read-ledger.ts';
import { levelHeaders, levelPreference } from '../level.ts';

export interface LedgerRouterDeps {
  readonly ledger: ReadLedger;
  /** How far leaves have come in the network; absent: `durable` is all there is. */
  readonly levels?: Pick<Levels, 'of' | 'wait' | 'sizes'>;
  /** Milliseconds that a receipt may wait for a level. */
  readonly waitMs?: number;
  readonly log: Log;
}

const BLOCKS_DEFAULT = 100;
const TEXT = 'text/plain; charset=utf-8';
/** What a checkpoint covers never changes, its tiles neither. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

export function ledgerRouter({ ledger, levels, waitMs = 0, log }: LedgerRouterDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/checkpoint', async (request, response) => {
    const query = new URL(request.url, 'http://localhost').searchParams;
    const level = query.get('level') ?? undefined;
    if (level !== undefined && level !== 'durable')
      throw new GatewayError('not-supported', 'level is `durable`, or left out');
    response
      .set('Cache-Control', 'no-cache')
      .type(TEXT)
      .send(await ledger.checkpoint(level));
  });
  router.get('/vkey', (_request, response) => {
    response.set('Cache-Control', 'public, max-age=3600').type(TEXT).send(`${ledger.vkey}\n`);
  });
  router.get('/tile/*path', async (request, response) => {
    const bytes = await ledger.tile(request.path.slice(1));
    response.set('Cache-Control', IMMUTABLE).type('application/octet-stream').send(bytes);
  });
  router.get('/blocks', async (request, response) => {
    const { from, limit } = blocksQuery(request);
    const blocks = await ledger.blocks(from, limit);
    response.set('Cache-Control', 'no-cache').json({ blocks: blocks.map(renderBlock) });
  });
  router.get('/receipt/:leaf', async (request, response) => {
    const leaf = parseCount(request.params.leaf);
    if (leaf === undefined) throw new GatewayError('invalid-syntax', 'a leaf is a decimal number from 0');
    const preference = levelPreference(request.headers.prefer?.toString());
    // A leaf that is not there is not waited for.
    if (levels !== undefined && leaf < levels.sizes.durable) {
      response.set(await levelHeaders(levels, leaf, preference, waitMs));
    }
    response
      .set('Cache-Control', 'no-cache')
      .type(TEXT)
      .send(await ledger.receipt(leaf));
  });
  router.use((request, response) => {
    if (request.method === 'GET' || request.method === 'HEAD') throw new GatewayError('not-found', 'no such resource');
    response.set('Allow', 'GET, HEAD');
    throw new GatewayError('method-not-allowed', 'the log is read-only');
  });
  router.use((thrown: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(thrown);
    const error = asRequestError(thrown);
    if (error.form.http >= 500) log.error({ event: 'ledger-read-failed', code: error.code, ...describeError(thrown) });
    response
      .status(error.form.http)
      .set('Cache-Control', 'no-store')
      .type('json')
      .json({ code: error.code, message: error.message });
  });
  return router;
}

/** Express itself throws a URIError with status 400 for a path that does not decode. */
function asRequestError(thrown: unknown): GatewayError {
  if (thrown instanceof URIError) return new GatewayError('invalid-syntax', 'the path is not UTF-8', { cause: thrown });
  return asGatewayError(thrown);
}

/** A decimal number without sign or leading zeros, a safe integer; else undefined. */
function parseCount(text: unknown): number | undefined {
  if (typeof text !== 'string' || !/^(0|[1-9]\d{0,15})$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

function blocksQuery(request: Request): { from: number; limit: number } {
  const query = new URL(request.url, 'http://localhost').searchParams;
  for (const name of query.keys()) {
    if (name !== 'from' && name !== 'limit') throw new GatewayError('not-supported', 'blocks takes `from` and `limit`');
  }
  const from = parseCount(query.get('from') ?? '0');
  const limit = parseCount(query.get('limit') ?? String(BLOCKS_DEFAULT));
  if (from === undefined || limit === undefined || limit < 1 || limit > BLOCKS_MAX) {
    throw new GatewayError('invalid-syntax', `from is a block number from 0, limit is 1 to ${BLOCKS_MAX}`);
  }
  return { from, limit };
}

/** One block as JSON; root and prev in base64 (RFC 4648 section 4), as checkpoints write hashes. */
function renderBlock(block: Awaited<ReturnType<ReadLedger['blocks']>>[number]): object {
  return {
    number: block.number,
    firstLeaf: block.firstLeaf,
    size: block.size,
    root: block.root.toString('base64'),
    prev: block.prev.toString('base64'),
    checkpoint: block.checkpoint,
  };
}
