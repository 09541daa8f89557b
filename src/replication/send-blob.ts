/**
 * Sends a blob to a mirror in parts. The mirror says how much it has, so that a link that is cut, or a deadline that passes in the
 * middle of a part, costs only the time: it goes on from there as long as it gets further.
 */
import { asGatewayError, GatewayError } from '../core/errors.ts';
import type { MissingBlob } from './mirror-ports.ts';
import { isCount, parseJson, patience, refusal } from './peer-answers.ts';
import type { PeerHttp, PeerResponse } from './peer-ports.ts';

export interface SendBlobDeps {
  readonly http: PeerHttp;
  readonly authorization: () => string;
  readonly readBlob: (digest: Buffer, from: number, to: number) => AsyncIterable<Uint8Array>;
  /** Milliseconds that one part may take. */
  readonly deadlineMs: number;
}

/** Bytes of one part: some seconds on a slow link, and what a deadline of the peer can cost at most. */
export const BLOB_PART_BYTES = 16 * 1024 * 1024;
const ANSWER_MAX_BYTES = 4096;

/**
 * Resolves when the mirror has the blob, or does not miss it any more. `path`: prefix of the log at the mirror. Throws what a
 * refusal means; `unavailable` or `timeout` when the mirror does not get further.
 */
export async function sendBlob(deps: SendBlobDeps, path: string, { digest, size }: MissingBlob): Promise<void> {
  const url = `${path}/blob/${digest.toString('hex')}`;
  const request = (method: 'GET' | 'POST', to: string, from?: number): Promise<PeerResponse> =>
    deps.http.send({
      method,
      url: to,
      headers: { authorization: deps.authorization(), 'content-type': 'application/octet-stream' },
      ...(from === undefined ? {} : { body: deps.readBlob(digest, from, Math.min(size, from + BLOB_PART_BYTES)) }),
      deadlineMs: deps.deadlineMs,
      maxBytes: ANSWER_MAX_BYTES,
    });
  const ask = async (): Promise<number | undefined> => progressOf(await request('GET', `${url}/offset`))?.offset;

  // What goes in one part is sent without a question: the answer says so where the mirror has some of it already.
  let from = size > BLOB_PART_BYTES ? await ask() : 0;
  const further = patience('a mirror takes a blob but does not get further');
  while (from !== undefined) {
    const before = from;
    try {
      const answer = await request('POST', `${url}?from=${before}`, before);
      const progress = progressOf(answer);
      if (progress === undefined || progress.complete) return;
      from = progress.offset;
    } catch (thrown) {
      const { code } = asGatewayError(thrown);
      if (code !== 'unavailable' && code !== 'timeout') throw thrown;
      from = await ask();
      if (from !== undefined && from <= before) throw thrown;
    }
    if (from !== undefined) further(before, from);
  }
}

/** Undefined when the mirror does not miss the blob: another upload of it was faster. */
function progressOf(answer: PeerResponse): { readonly offset: number; readonly complete: boolean } | undefined {
  if (answer.status === 404) return undefined;
  if (answer.status !== 200 && answer.status !== 409) throw refusal(answer);
  const { offset, complete } = parseJson(answer.body) ?? {};
  if (!isCount(offset)) throw new GatewayError('integrity', 'a mirror does not say how much of a blob it has');
  return { offset, complete: complete === true };
}
