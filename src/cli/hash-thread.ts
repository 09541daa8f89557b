/** A worker thread for `verify --hashes`; where the compiled worker is not there (tests on the sources), none. */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { lane } from '../core/lane.ts';
import { hashDocuments, type DocumentBatch, type HashedDocuments } from '../services/hash-documents.ts';

export interface HashThread {
  hash(batch: DocumentBatch): Promise<HashedDocuments>;
  close(): Promise<void>;
}

export function hashThread(): HashThread {
  const entry = new URL('../services/hash-documents.worker.js', import.meta.url);
  if (!existsSync(entry)) return { hash: async (batch) => hashDocuments(batch), close: async () => {} };
  const worker = new Worker(entry);
  const inTurn = lane();
  const once = (batch: DocumentBatch): Promise<HashedDocuments> =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('message', (hashed: HashedDocuments) => {
        worker.off('error', reject);
        resolve(hashed);
      });
      // Given away, not copied: nobody here looks at it again.
      worker.postMessage(batch, [batch.bodies.buffer]);
    });
  return {
    hash: (batch) => inTurn(() => once(batch)),
    close: async () => void (await worker.terminate()),
  };
}
