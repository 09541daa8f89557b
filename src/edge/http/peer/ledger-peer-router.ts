/**
 * What the own log gives to others besides the endpoints of `ledger/`: levels, the member note and suspensions for everybody;
 * documents, sealed payloads and blobs for members with a token. Mounted under `/ledger`, before those.
 */
import { raw, Router } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import { LOG_DATA, type PeerServices } from '../../../services/peer-services.ts';
import { sendLogData, textOf } from './bodies.ts';
import { sendBlob } from './mirror-router.ts';
import { countParameter, dataRange } from './parameters.ts';

const TEXT = 'text/plain; charset=utf-8';
/** Bytes of one suspension statement. */
const STATEMENT_MAX_BYTES = 16 * 1024;

export function ledgerPeerRouter(peers: PeerServices): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get('/levels', (request, response) => {
    const { levels } = peers;
    const leaf = countParameter(request, 'leaf', -1);
    if (leaf >= levels.sizes.durable) throw new GatewayError('not-found', 'the log has no such leaf');
    const ages = { mirrored: levels.ageSeconds('mirrored'), witnessed: levels.ageSeconds('witnessed') };
    response.set('Cache-Control', 'no-cache').json({
      sizes: levels.sizes,
      waitingSeconds: ages,
      ...(leaf < 0 ? {} : { leaf, level: levels.of(leaf) }),
    });
  });
  router.get('/member', (_request, response) => {
    response.set('Cache-Control', 'no-cache').type(TEXT).send(peers.member);
  });
  router.get('/suspensions', (_request, response) => {
    response.set('Cache-Control', 'no-cache').json({ statements: peers.suspensions.statements() });
  });
  // The signature of a witness is the authority: whoever brings the statement may.
  router.post('/suspensions', raw({ type: () => true, limit: STATEMENT_MAX_BYTES }), async (request, response) => {
    const { issuer, subject, suspended } = await peers.suspensions.take(textOf(request));
    response.json({ issuer, subject, suspended, inForce: peers.suspensions.has(subject) });
  });
  router.get('/data', async (request, response) => {
    await peers.authenticate(request.headers.authorization);
    const range = dataRange(request);
    await sendLogData(request, response, LOG_DATA, peers.ownData(range));
  });
  router.get('/blob/:digest', async (request, response) => {
    await peers.authenticate(request.headers.authorization);
    await sendBlob(peers.blobs, request, response);
  });
  return router;
}
