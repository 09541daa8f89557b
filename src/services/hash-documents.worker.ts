/** `hashDocuments` in a thread of its own: a batch in, its hashes out, in order. */
import { parentPort } from 'node:worker_threads';
import { hashDocuments, type DocumentBatch } from './hash-documents.ts';

parentPort?.on('message', (batch: DocumentBatch) => {
  const hashed = hashDocuments(batch);
  parentPort?.postMessage(hashed, [hashed.leaves.buffer]);
});
