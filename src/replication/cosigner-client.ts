/**
 * Asking a cosigner, as its client: add-checkpoint of witnesses and mirrors, add-entries and the exchange of documents with
 * mirrors. Keeps what it has learnt of the peer, and learns it anew when the peer says otherwise.
 */
import { pipeline, Readable } from 'node:stream';
import { createGzip, gzipSync } from 'node:zlib';
import { GatewayError } from '../core/errors.ts';
import { cosignatureTime } from '../ledger/cosignature.ts';
import { consistencyProof, subtreeConsistencyProof } from '../ledger/consistency.ts';
import { leafEntry } from '../ledger/leaf.ts';
import {
  encodeAddEntriesHeader,
  encodePackage,
  PACKAGES_PER_REQUEST,
  packageRanges,
  parseMirrorInfo,
} from '../ledger/mirror-message.ts';
import { formatSignatureLine, parseNote, verifyNote, type VerifierKey } from '../ledger/note.ts';
import { encodeAddCheckpoint, parseSizeBody } from '../ledger/witness-message.ts';
import { dataStream, LOG_DATA } from './frames.ts';
import type { KeptCosignature, KeptReceipt, OwnLog } from './own-log.ts';
import { isCount, isObject, parseJson, patience, refusal } from './peer-answers.ts';
import type { PeerHttp, PeerResponse } from './peer-ports.ts';
import { verifyReceipt } from './receipt.ts';
import { sendBlob } from './send-blob.ts';
import { originHash } from './trust.ts';

export interface CosignerClientDeps {
  readonly http: PeerHttp;
  readonly log: OwnLog;
  readonly origin: string;
  /** Submission prefix of the cosigner. */
  readonly url: string;
  readonly key: VerifierKey;
  readonly deadlineMs: number;
}

/** A tree head of the own log that is to be signed. */
export interface Target {
  readonly size: number;
  readonly root: Buffer;
  /** The signed note. */
  readonly checkpoint: string;
}

const ANSWER_MAX_BYTES = 256 * 1024;

/** Remembers up to where the cosigner has accepted checkpoints. */
export class CheckpointClient {
  protected readonly deps: CosignerClientDeps;
  protected accepted: number | undefined;

  constructor(deps: CosignerClientDeps) {
    this.deps = deps;
  }

  /** Submits a checkpoint; undefined when the peer has accepted a larger one. Throws what the peer's refusal means. */
  async submit(target: Target): Promise<string | undefined> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const old = this.accepted ?? 0;
      if (old > target.size) return undefined;
      const proof =
        old === 0 || old === target.size
          ? []
          : await consistencyProof(this.deps.log.hashes(target.size), old, target.size);
      const answer = await this.#post(encodeAddCheckpoint(old, proof, target.checkpoint));
      if (answer.status === 200) {
        this.accepted = target.size;
        return answer.body.toString();
      }
      if (answer.status !== 409) throw refusal(answer);
      const size = parseSizeBody(answer.body.toString());
      if (size === undefined) throw refusal(answer);
      this.accepted = size;
    }
    throw new GatewayError('busy', 'a cosigner keeps naming other sizes');
  }

  #post(body: string): Promise<PeerResponse> {
    const { http, url, deadlineMs } = this.deps;
    return http.send({ method: 'POST', url: `${url}/add-checkpoint`, body, deadlineMs, maxBytes: ANSWER_MAX_BYTES });
  }

  /** The cosigner's own line in an answer, verified over the checkpoint. Throws `integrity` when there is none. */
  protected verified(target: Target, lines: string): KeptCosignature {
    const { key } = this.deps;
    const note = parseNote(target.checkpoint + lines);
    const line = note?.signatures.find(({ name, id }) => name === key.name && id === key.id);
    const at = line && cosignatureTime(line.signature);
    if (note === undefined || line === undefined || at === undefined || verifyNote(note, [key]) === undefined) {
      throw new GatewayError('integrity', 'a cosigner answered without a valid signature of the key in the policy');
    }
    return { cosigner: key.name, size: target.size, root: target.root, line: formatSignatureLine(line), at };
  }
}

export class WitnessClient extends CheckpointClient {
  /** Asks for a cosignature; undefined when the witness is ahead of this target. */
  async cosign(target: Target): Promise<KeptCosignature | undefined> {
    const lines = await this.submit(target);
    return lines === undefined ? undefined : this.verified(target, lines);
  }
}

export interface MirrorClientDeps extends CosignerClientDeps {
  /** `Authorization` of a request to this mirror. */
  readonly authorization: () => string;
  /** Bytes [from, to) of a blob. */
  readonly readBlob: (digest: Buffer, from: number, to: number) => AsyncIterable<Uint8Array>;
  /** False: blobs are not sent. */
  readonly sendsBlobs: boolean;
}

/** Leaves whose documents go in one request. */
const LEAVES_PER_REQUEST = 8192;

interface RemoteStatus {
  readonly next: number;
  readonly held: number;
  readonly nextBlock: number;
  readonly missing: readonly { readonly digest: Buffer; readonly size: number }[];
  readonly receipt: string;
}

export class MirrorClient extends CheckpointClient {
  readonly #mirror: MirrorClientDeps;
  readonly #path: string;
  #status: RemoteStatus | undefined;

  constructor(deps: MirrorClientDeps) {
    super(deps);
    this.#mirror = deps;
    this.#path = `${deps.url}/${originHash(deps.origin)}`;
  }

  /** Brings the mirror up to the target: entries, documents and payloads, blobs. Resumes where the mirror says. */
  async bring(target: Target): Promise<{ cosignature: KeptCosignature | undefined; receipt: KeptReceipt | undefined }> {
    try {
      if ((await this.submit(target)) === undefined) return { cosignature: undefined, receipt: undefined };
      this.#status ??= await this.#readStatus();
      const cosignature = await this.#sendEntries(target, this.#status.next);
      const status = await this.#sendBlobs(await this.#sendData(target, this.#status));
      this.#status = { ...status, next: Math.max(status.next, target.size) };
      return { cosignature, receipt: this.#verifiedReceipt(target, status.receipt) };
    } catch (thrown) {
      this.#status = undefined;
      throw thrown;
    }
  }

  async #sendEntries(target: Target, from: number): Promise<KeptCosignature | undefined> {
    let start = Math.min(from, target.size);
    let ticket: Buffer = Buffer.alloc(0);
    const further = patience('a mirror asks for entries but does not get further');
    for (;;) {
      const body = await this.#entries(start, target.size, ticket);
      const answer = await this.deps.http.send({
        method: 'POST',
        url: `${this.deps.url}/add-entries`,
        headers: { 'content-type': 'application/octet-stream', 'content-encoding': 'gzip' },
        body,
        deadlineMs: this.deps.deadlineMs,
        maxBytes: ANSWER_MAX_BYTES,
      });
      if (answer.status === 200) return this.verified(target, answer.body.toString());
      const info = answer.status === 202 || answer.status === 409 ? parseMirrorInfo(answer.body.toString()) : undefined;
      if (info === undefined) throw refusal(answer);
      // Somebody else has brought the mirror further.
      if (info.size > target.size) return undefined;
      if (answer.status === 409 && info.next === start) throw refusal(answer);
      further(start, info.next);
      start = Math.min(info.next, target.size);
      ticket = info.ticket;
    }
  }

  async #entries(start: number, end: number, ticket: Buffer): Promise<Buffer> {
    const parts = [encodeAddEntriesHeader({ origin: this.deps.origin, start, end, ticket })];
    const hashes = this.deps.log.hashes(end);
    let packages = 0;
    for (const range of packageRanges(start, end)) {
      if (packages === PACKAGES_PER_REQUEST) break;
      packages += 1;
      const digests = await this.deps.log.leafDigests(range.start, range.end);
      if (digests.length !== range.end - range.start)
        throw new GatewayError('integrity', 'leaves of the log are missing');
      const entries = digests.map(leafEntry);
      parts.push(encodePackage(entries, await subtreeConsistencyProof(hashes, range.subtreeStart, range.end, end)));
    }
    return gzipSync(Buffer.concat(parts), { level: 1 });
  }

  async #sendData(target: Target, known: RemoteStatus): Promise<RemoteStatus> {
    let status = known;
    const further = patience('a mirror takes documents but does not get further');
    while (status.held < target.size) {
      const before = status.held;
      const to = Math.min(target.size, before + LEAVES_PER_REQUEST);
      const answer = await this.deps.http.send({
        method: 'POST',
        url: `${this.#path}/data?from=${before}`,
        headers: { authorization: this.#mirror.authorization(), 'content-type': LOG_DATA, 'content-encoding': 'gzip' },
        body: packed(dataStream(this.deps.log, { from: before, to, block: status.nextBlock })),
        deadlineMs: this.deps.deadlineMs,
        maxBytes: ANSWER_MAX_BYTES,
      });
      if (answer.status !== 200 && answer.status !== 409) throw refusal(answer);
      status = parseStatus(answer.body);
      further(before, status.held);
    }
    return status;
  }

  async #sendBlobs(known: RemoteStatus): Promise<RemoteStatus> {
    let status = known;
    while (this.#mirror.sendsBlobs && status.missing.length > 0) {
      const sent = new Set(status.missing.map(({ digest }) => digest.toString('hex')));
      for (const blob of status.missing) await sendBlob(this.#mirror, this.#path, blob);
      status = await this.#readStatus();
      if (status.missing.some(({ digest }) => sent.has(digest.toString('hex'))))
        throw new GatewayError('unavailable', 'a mirror takes blobs but keeps asking for them');
    }
    return status;
  }

  async #readStatus(): Promise<RemoteStatus> {
    const answer = await this.deps.http.send({
      method: 'GET',
      url: `${this.#path}/status`,
      headers: { authorization: this.#mirror.authorization() },
      deadlineMs: this.deps.deadlineMs,
      maxBytes: ANSWER_MAX_BYTES,
    });
    if (answer.status !== 200) throw refusal(answer);
    return parseStatus(answer.body);
  }

  #verifiedReceipt(target: Target, note: string): KeptReceipt | undefined {
    const receipt = verifyReceipt(note, this.deps.key);
    if (receipt === undefined || receipt.origin !== this.deps.origin) {
      throw new GatewayError('integrity', 'a mirror answered without a valid receipt of the key in the policy');
    }
    // A receipt for another size is for a tree that is not in hand here: the next round has one.
    if (receipt.held !== target.size) return undefined;
    if (!receipt.root.equals(target.root)) throw new GatewayError('integrity', 'a mirror holds another tree');
    return { mirror: this.deps.key.name, size: receipt.held, blobs: receipt.blobs, receipt: note };
  }
}

/** Documents are base64url: a quarter less to send, at 67 MB/s of a thread of the pool. */
function packed(pieces: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // The iteration of what comes out reports what goes wrong.
  return pipeline(Readable.from(pieces), createGzip({ level: 1 }), () => {});
}

/** The body of `status` and of the answers to `data`. Throws `integrity` when a peer says something else. */
export function parseStatus(body: Buffer): RemoteStatus {
  const wrong = (): GatewayError => new GatewayError('integrity', 'a mirror does not say how far it is');
  const value = parseJson(body);
  const { next, held, nextBlock, missing, receipt } = value ?? {};
  if (!isCount(next) || !isCount(held) || !isCount(nextBlock) || !Array.isArray(missing) || typeof receipt !== 'string')
    throw wrong();
  const blobs = missing.map((entry: unknown) => {
    const digest = isObject(entry) && typeof entry.digest === 'string' ? Buffer.from(entry.digest, 'hex') : undefined;
    if (!isObject(entry) || digest?.length !== 32 || !isCount(entry.size)) throw wrong();
    return { digest, size: entry.size };
  });
  return { next, held, nextBlock, missing: blobs, receipt };
}
