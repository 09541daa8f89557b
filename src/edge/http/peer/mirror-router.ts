/**
 * The mirror over HTTP: C2SP tlog-mirror (`add-checkpoint`, `add-entries`, and under the hash of an origin its checkpoint and
 * tiles), which is public, and for members with a token the exchange of documents, sealed payloads and blobs
 * (docs/replication.md). Mounted under `/mirror`, which is both prefixes.
 */
import { raw, Router, type Request, type Response } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import {
  blobBytes,
  encodeMirrorInfo,
  LOG_DATA,
  MIRROR_INFO,
  type MirrorStatus,
  type PeerServices,
} from '../../../services/peer-services.ts';
import { bodyOf, sendLogData, sendStream, textOf } from './bodies.ts';
import { blobDigest, countParameter, dataRange, rangeOf } from './parameters.ts';
import { onlyPost, sendCheckpointAnswer } from './witness-router.ts';

const TEXT = 'text/plain; charset=utf-8';
const IMMUTABLE = 'public, max-age=31536000, immutable';

export interface MirrorRouterDeps {
  readonly peers: Pick<PeerServices, 'mirror' | 'mirrored' | 'authenticate' | 'blobs'>;
  /** Bytes of one add-checkpoint body. */
  readonly maxBytes: number;
}

export function mirrorRouter({ peers, maxBytes }: MirrorRouterDeps): Router {
  const { mirror } = peers;
  const router = Router({ caseSensitive: true, strict: true });
  router.post('/add-checkpoint', raw({ type: () => true, limit: maxBytes }), async (request, response) => {
    sendCheckpointAnswer(response, await mirror.addCheckpoint(textOf(request)));
  });
  router.all('/add-checkpoint', onlyPost);
  router.post('/add-entries', async (request, response) => {
    const answer = await mirror.addEntries(bodyOf(request));
    response.status(answer.status).set('Cache-Control', 'no-store').set('Accept-Encoding', 'gzip');
    // An answer before the end of the body: the rest is not read.
    if (!request.complete) response.set('Connection', 'close');
    if (answer.status === 200) response.type(TEXT).send(answer.body);
    else if ('info' in answer) {
      // Not by `set`, which appends a charset.
      response.setHeader('Content-Type', MIRROR_INFO);
      response.end(encodeMirrorInfo(answer.info));
    } else response.type(TEXT).send(`${answer.reason}\n`);
  });
  router.all('/add-entries', onlyPost);
  router.get('/vkey', (_request, response) => {
    response.set('Cache-Control', 'public, max-age=3600').type(TEXT).send(`${mirror.vkey}\n`);
  });
  router.get('/:origin/checkpoint', async (request, response) => {
    const note = await mirror.checkpoint(request.params.origin);
    if (note === undefined) throw new GatewayError('not-found', 'this log is not mirrored here');
    response.set('Cache-Control', 'no-cache').type(TEXT).send(note);
  });
  router.get('/:origin/tile/*path', async (request, response) => {
    const ledger = peers.mirrored(String(request.params.origin));
    if (ledger === undefined) throw new GatewayError('not-found', 'this log is not mirrored here');
    const bytes = await ledger.tile(request.path.slice(request.path.indexOf('/tile/') + 1));
    response.set('Cache-Control', IMMUTABLE).type('application/octet-stream').send(bytes);
  });
  memberRoutes(router, peers);
  return router;
}

/** What only members get: their tokens are looked at before anything else. */
function memberRoutes(router: Router, peers: MirrorRouterDeps['peers']): void {
  const { mirror } = peers;
  const originOf = async (request: Request): Promise<string> => {
    await peers.authenticate(request.headers.authorization);
    const origin = mirror.originOf(String(request.params.origin));
    if (origin === undefined) throw new GatewayError('not-found', 'this log is not mirrored here');
    return origin;
  };
  router.get('/:origin/status', async (request, response) => {
    response.json(renderStatus(await mirror.status(await originOf(request))));
  });
  router.get('/:origin/data', async (request, response) => {
    const data = await mirror.data(await originOf(request), dataRange(request));
    await sendLogData(request, response, LOG_DATA, data);
  });
  router.post('/:origin/data', async (request, response) => {
    const origin = await originOf(request);
    const outcome = await mirror.addData(origin, countParameter(request, 'from'), bodyOf(request));
    if (!request.complete) response.set('Connection', 'close');
    if (outcome.kind === 'refused') {
      response.status(422).type(TEXT).send(`${outcome.reason}\n`);
      return;
    }
    response.status(outcome.kind === 'stored' ? 200 : 409).json(renderStatus(await mirror.status(origin)));
  });
  router.get('/:origin/blob/:digest/offset', async (request, response) => {
    const offset = await mirror.blobOffset(await originOf(request), blobDigest(request));
    response.json({ offset, complete: false });
  });
  router.post('/:origin/blob/:digest', async (request, response) => {
    const origin = await originOf(request);
    const from = countParameter(request, 'from');
    const progress = await mirror.addBlobPart(origin, blobDigest(request), from, bodyOf(request));
    if (!request.complete) response.set('Connection', 'close');
    response.status(progress.complete || progress.offset > from ? 200 : 409).json(progress);
  });
  router.get('/:origin/blob/:digest', async (request, response) => {
    await originOf(request);
    await sendBlob(peers.blobs, request, response);
  });
}

/** A blob's ciphertext or a range of it (RFC 9110 section 14: one range of bytes). */
export async function sendBlob(blobs: PeerServices['blobs'], request: Request, response: Response): Promise<void> {
  const digest = blobDigest(request);
  const stored = await blobs.stat(digest);
  if (stored === undefined) throw new GatewayError('not-found', 'there is no such blob');
  const range = rangeOf(request, stored.size);
  const { from, to } = range ?? { from: 0, to: stored.size };
  response.status(range === undefined ? 200 : 206).type('application/octet-stream');
  response.set('Accept-Ranges', 'bytes').set('Content-Length', String(to - from));
  if (range !== undefined) response.set('Content-Range', `bytes ${from}-${to - 1}/${stored.size}`);
  await sendStream(response, blobBytes(blobs, digest, from, to));
}

function renderStatus(status: MirrorStatus): object {
  const missing = status.missing.map(({ digest, size }) => ({ digest: digest.toString('hex'), size }));
  return { ...status, missing };
}
