/** How this gateway reaches others. Implemented by `clients/peer-http`. */

export interface PeerRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer | AsyncIterable<Uint8Array>;
  /** Milliseconds for the whole exchange; for `open`: for the head of the answer, between two pieces of its body, and for each 64 KiB. */
  readonly deadlineMs: number;
  /** Bytes of the answer's body at most, unpacked where it is gzip (which is sent only to who asks); for `open` of the whole stream. */
  readonly maxBytes: number;
}

export interface PeerResponse {
  readonly status: number;
  readonly body: Buffer;
}

export interface OpenResponse {
  readonly status: number;
  /** Must be read to its end or returned. Rejects with `unavailable` or `timeout` when the peer stops in the middle. */
  readonly body: AsyncIterable<Buffer>;
}

/**
 * One exchange; any status is an answer. Not retried here. A peer may answer before it has read the whole body: then the rest
 * is not sent. Errors: `unavailable` (no connection, cut), `timeout`, `too-large`.
 */
export interface PeerHttp {
  send(request: PeerRequest): Promise<PeerResponse>;
  open(request: PeerRequest): Promise<OpenResponse>;
}
