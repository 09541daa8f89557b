/** A DIMSE listener with a real blob store and a writer in memory, for integration tests; and reading back what it stored. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { systemRandom } from '../../src/core/random.ts';
import { startDimseListener, type DimseListener } from '../../src/edge/dimse/listener.ts';
import type { StoreOutcome } from '../../src/edge/dimse/operations.ts';
import { DIMSE_DEFAULTS, type DimseSettings } from '../../src/edge/dimse/settings.ts';
import { decodeInstance, type InstanceDocument } from '../../src/normalize/dicom/instance.ts';
import type { DicomSource } from '../../src/normalize/dicom/source.ts';
import { openBlob } from '../../src/record/blob.ts';
import type { BlobStore } from '../../src/record/blob-store.ts';
import type { Writer } from '../../src/write/submission.ts';
import { storeInstance } from '../../src/services/store-instance.ts';
import { openFileBlobStore } from '../../src/storage/blobs/fs.ts';
import { fakeLedger, type FakeLedger } from './fake-dicom-writer.ts';

export const TEST_SOURCE: DicomSource = {
  name: 'dicom',
  profile: { assigner: 'https://hospital.example/ids', namespaces: {}, zone: 'Europe/Berlin' },
  fallbackCharacterSet: 'ISO_IR 100',
};

export interface DicomGateway {
  readonly port: number;
  readonly listener: DimseListener;
  readonly ledger: FakeLedger;
  readonly blobs: BlobStore;
  /** Studies that ended associations told of. */
  readonly told: string[];
  /** Of each C-STORE, in order. */
  readonly outcomes: StoreOutcome[];
  /** Digests in the store, hex. */
  stored(): Promise<string[]>;
  /** Files in the store that are no blobs yet. */
  temporary(): Promise<string[]>;
  /** Documents of what was accepted. */
  documents(): InstanceDocument[];
  /** The whole file as stored. */
  read(document: InstanceDocument): Promise<Buffer>;
  close(): Promise<void>;
}

/** The real writer instead of the one in memory. */
export interface DicomGatewayBackend {
  readonly writer: Writer;
  readonly isBlobNamed: (digest: Uint8Array) => Promise<boolean>;
}

export async function startDicomGateway(
  over: Partial<DimseSettings> = {},
  wrap: (store: BlobStore) => BlobStore = (store) => store,
  backend?: DicomGatewayBackend,
): Promise<DicomGateway> {
  const root = await mkdtemp(join(tmpdir(), 'dimse-'));
  const blobs = wrap(await openFileBlobStore(root));
  const ledger = fakeLedger();
  const told: string[] = [];
  const outcomes: StoreOutcome[] = [];
  const isNamed = async (digest: Uint8Array): Promise<boolean> =>
    ledger.submissions.some(({ blobs: named }) => named?.some((blob) => blob.digest.equals(digest)));
  const { writer, isBlobNamed } = backend ?? { writer: ledger.writer, isBlobNamed: isNamed };
  const listener = await startDimseListener(
    {
      storeInstance: (instance) =>
        storeInstance(
          { blobs, writer, isBlobNamed, random: systemRandom, clock: systemClock, source: TEST_SOURCE },
          instance,
        ),
      log: silentLog,
      observe: (outcome) => outcomes.push(outcome),
      onStudies: (studies) => told.push(...studies),
    },
    { host: '127.0.0.1', port: 0, ...DIMSE_DEFAULTS, ...over },
  );
  return {
    port: listener.port,
    listener,
    ledger,
    blobs,
    told,
    outcomes,
    async stored() {
      const found: string[] = [];
      for await (const blob of blobs.list()) found.push(blob.digest.toString('hex'));
      return found.toSorted();
    },
    temporary: () => readdir(join(root, 'tmp')),
    documents: () =>
      ledger.submissions.flatMap(({ raw }) => {
        const document = raw && decodeInstance(raw.bytes);
        return document === undefined ? [] : [document];
      }),
    async read({ blob }) {
      const pieces: Buffer[] = [];
      const readAt = (offset: number, length: number): Promise<Buffer> => blobs.readAt(blob.digest, offset, length);
      for await (const piece of openBlob(blob.key, { size: blob.size, readAt })) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    async close() {
      await listener.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
