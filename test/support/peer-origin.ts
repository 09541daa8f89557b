/**
 * A log with real documents, sealed payloads, blocks and a blob, without a gateway around it: what a member brings to its
 * witness and mirror, and the requests in which it does. For tests of those.
 */
import { hash } from 'node:crypto';
import { KEY_ED25519, verifierKey, type NoteSigner, type VerifierKey } from '../../src/ledger/note.ts';
import { subtreeConsistencyProof } from '../../src/ledger/consistency.ts';
import { leafEntry } from '../../src/ledger/leaf.ts';
import { encodeAddEntriesHeader, encodePackage, packageRanges } from '../../src/ledger/mirror-message.ts';
import type { Target } from '../../src/replication/cosigner-client.ts';
import { dataStream } from '../../src/replication/frames.ts';
import type { OwnLog } from '../../src/replication/own-log.ts';
import { ownLog } from '../../src/storage/pg/own-log.ts';
import type { Submission } from '../../src/write/submission.ts';
import { openTestWriter, ORIGIN, type TestWriter } from './writer.ts';

export interface PeerOrigin {
  readonly writer: TestWriter;
  readonly log: OwnLog;
  readonly signer: NoteSigner;
  readonly key: VerifierKey;
  /** Ciphertext of the blobs by digest in hexadecimal. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** Commits messages of new patients, some at a time; with `blob`, each names a blob of so many bytes. */
  grow(messages: number, blob?: number): Promise<Target>;
  /** The newest checkpoint. */
  latest(): Promise<Target>;
  /** Body of add-entries for the entries [start, end) of the tree of `end` leaves. */
  entries(start: number, end: number): Promise<Buffer>;
  /** Documents, payloads and blocks of the leaves [from, to). */
  data(from: number, to: number, block: number): Promise<Buffer>;
  close(): Promise<void>;
}

let sequence = 0;

/** A message of a patient that nobody has seen yet. */
export function peerMessage(blob?: { digest: Buffer; size: number }): Submission {
  sequence += 1;
  const control = `M${sequence}`;
  return {
    kind: 'hl7v2',
    source: 'lab',
    control,
    raw: { bytes: Buffer.from(`MSH|${control}`), contentType: 'x-application/hl7-v2+er7' },
    changes: [
      {
        mode: 'merge',
        type: 'Patient',
        keys: [['identifier', 'urn:mrn', control]],
        sourceTime: 1,
        set: { resourceType: 'Patient', identifier: [{ system: 'urn:mrn', value: control }] },
      },
    ],
    ...(blob === undefined ? {} : { blobs: [blob] }),
    receivedAt: 1_700_000_100_000,
    sourceTime: 1,
    details: {},
    answer: () => 'taken',
  };
}

export async function openPeerOrigin(): Promise<PeerOrigin> {
  const writer = await openTestWriter();
  const log = ownLog(writer.pool);
  const signer = { name: ORIGIN, ...writer.keys.log };
  const blobs = new Map<string, Buffer>();
  const latest = async (): Promise<Target> => {
    const block = await log.latest();
    if (block === undefined) throw new Error('the log is empty');
    return { size: block.size, root: block.root, checkpoint: block.checkpoint };
  };
  return {
    writer,
    log,
    signer,
    key: verifierKey(ORIGIN, KEY_ED25519, signer.rawPublicKey),
    blobs,
    latest,
    async grow(messages, blobBytes) {
      for (let at = 0; at < messages; at += 16) {
        const group = Array.from({ length: Math.min(16, messages - at) }, () => {
          if (blobBytes === undefined) return peerMessage();
          sequence += 1;
          const bytes = Buffer.alloc(blobBytes, `blob ${sequence};`);
          const digest = hash('sha256', bytes, 'buffer');
          blobs.set(digest.toString('hex'), bytes);
          return peerMessage({ digest, size: blobBytes });
        });
        await Promise.all(group.map((each) => writer.writer.submit(each)));
      }
      return latest();
    },
    async entries(start, end) {
      const parts = [encodeAddEntriesHeader({ origin: ORIGIN, start, end, ticket: Buffer.alloc(0) })];
      for (const range of packageRanges(start, end)) {
        const entries = (await log.leafDigests(range.start, range.end)).map(leafEntry);
        const proof = await subtreeConsistencyProof(log.hashes(end), range.subtreeStart, range.end, end);
        parts.push(encodePackage(entries, proof));
      }
      return Buffer.concat(parts);
    },
    async data(from, to, block) {
      const pieces: Buffer[] = [];
      for await (const piece of dataStream(log, { from, to, block })) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    close: () => writer.close(),
  };
}
