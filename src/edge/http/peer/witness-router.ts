/**
 * The witness over HTTP (C2SP tlog-witness v1.0.0). Mounted under `/witness`, which is both its submission and its monitoring
 * prefix. Without a token: "there is no authentication of requests beyond the validation of the signature on the checkpoint".
 */
import { raw, Router, type Request, type Response } from 'express';
import { GatewayError } from '../../../core/errors.ts';
import { TLOG_SIZE, type Witness, type WitnessAnswer } from '../../../services/peer-services.ts';
import { textOf } from './bodies.ts';

export interface WitnessRouterDeps {
  readonly witness: Witness;
  /** Bytes of one add-checkpoint body. */
  readonly maxBytes: number;
}

const TEXT = 'text/plain; charset=utf-8';
const ORIGIN_HASH = /^[0-9a-f]{64}$/;

export function witnessRouter({ witness, maxBytes }: WitnessRouterDeps): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.post('/add-checkpoint', raw({ type: () => true, limit: maxBytes }), async (request, response) => {
    sendCheckpointAnswer(response, await witness.addCheckpoint(textOf(request)));
  });
  router.all('/add-checkpoint', onlyPost);
  router.get('/vkey', (_request, response) => {
    response.set('Cache-Control', 'public, max-age=3600').type(TEXT).send(`${witness.vkey}\n`);
  });
  router.get('/evidence', async (_request, response) => {
    response.set('Cache-Control', 'no-cache').json({ evidence: await witness.evidence() });
  });
  router.get('/:origin/checkpoint', async (request, response) => {
    const { origin } = request.params;
    const note = ORIGIN_HASH.test(origin) ? await witness.checkpoint(origin) : undefined;
    if (note === undefined) throw new GatewayError('not-found', 'no checkpoint of this origin was cosigned here');
    response.set('Cache-Control', 'no-cache').type(TEXT).send(note);
  });
  return router;
}

/** "The request MUST be an HTTP POST." */
export function onlyPost(_request: Request, response: Response): void {
  response.set('Allow', 'POST');
  throw new GatewayError('method-not-allowed', 'this takes POST alone');
}

/** The answer to add-checkpoint, exactly as the specification words it. */
export function sendCheckpointAnswer(response: Response, answer: WitnessAnswer): void {
  response.status(answer.status).set('Cache-Control', 'no-store');
  if (answer.status === 200) response.type(TEXT).send(answer.body);
  else if (answer.status === 409) {
    // Not by `set`, which appends a charset: clients compare the whole field.
    response.setHeader('Content-Type', TLOG_SIZE);
    response.end(`${answer.size}\n`);
  } else response.type(TEXT).send(`${answer.reason}\n`);
}
