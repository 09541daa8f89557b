/**
 * `anamnesis export FILE` and `anamnesis import FILE`: the log with its documents, sealed payloads and blobs in one file, for
 * where there is no mirror. The file holds ciphertext only; the key file does not go into it. An import fills an empty
 * database, proves every part while it reads, and goes on where it was stopped.
 */
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { openDatabase } from '../app/database.ts';
import { Teardown } from '../app/teardown.ts';
import { ByteReader } from '../core/byte-reader.ts';
import { GatewayError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import type { MissingBlob } from '../replication/mirror-ports.ts';
import { exportArchive, importArchive } from '../replication/archive.ts';
import { blobBytes } from '../services/peer-services.ts';
import { checkpointStore } from '../storage/pg/checkpoint-store.ts';
import { ownLog } from '../storage/pg/own-log.ts';
import { blobsFrom } from '../storage/pg/blobs-from.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { fillFromCopy, restorePool } from './fill-from-copy.ts';
import { keyProvider } from './keys.ts';
import { stagingMirror } from './restore.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger } from './stored-ledger.ts';

export const exportLog: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { 'no-blobs': { type: 'boolean' } },
    allowPositionals: true,
  });
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new UsageError('say `export FILE`');
  // The finished archive takes the place of the file: of a device, a pipe or a folder it must not.
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === false) throw new UsageError(`${file} is not a file`);
  const config = readSettings(context);
  const ledger = await openStoredLedger(config);
  try {
    const log = ownLog(ledger.pool);
    const head = await log.latest();
    if (head === undefined) throw new GatewayError('not-found', 'nothing is anchored yet');
    const withBlobs = values['no-blobs'] !== true;
    const archive = exportArchive(
      {
        origin: config.origin,
        log,
        blobs: (): AsyncIterable<MissingBlob> => blobsFrom(ledger.pool, head.size),
        readBlob: (digest, size) => blobBytes(ledger.blobs, digest, 0, size),
        withBlobs,
      },
      head,
    );
    // Under its name only when it is whole.
    const part = `${file}.part`;
    await pipeline(archive, createWriteStream(part, { mode: 0o600, flush: true })).catch(async (error: unknown) => {
      await rm(part, { force: true });
      throw error;
    });
    await rename(part, file);
    context.out(`${head.size} leaves in ${file}${withBlobs ? '' : ', without blobs'}; the key file is not in it`);
    return EXIT.ok;
  } finally {
    await ledger.close();
  }
};

export const importLog: Command = async ([file, ...more], context) => {
  if (file === undefined || more.length > 0) throw new UsageError('say `import FILE`');
  if (statSync(file, { throwIfNoEntry: false }) === undefined) throw new UsageError(`there is no file ${file}`);
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const teardown = new Teardown(silentLog);
  try {
    const pool = restorePool(await openDatabase(config, silentLog, teardown), teardown);
    const mirror = await stagingMirror(config, keySet, pool);
    const pending = checkpointStore(pool, 'mirror');
    const reader = new ByteReader(createReadStream(file, { highWaterMark: 1024 * 1024 }));
    const size = await importArchive({ mirror, pending, origin: config.origin }, reader);
    await fillFromCopy(config, keySet, pool, size, context);
    return EXIT.ok;
  } finally {
    await teardown.close();
  }
};
