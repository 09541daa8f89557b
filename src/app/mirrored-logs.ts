/** Readers of the logs that are mirrored here, for `/mirror/<hash>/tile/…`. */
import type { Trust } from '../replication/trust.ts';
import { readLedger, type ReadLedger } from '../services/read-ledger.ts';
import { mirrorReader } from '../storage/pg/mirror-store.ts';
import type { Pool } from '../storage/pg/pool.ts';

/** The reader of the log with this hash, made when it is first asked for; undefined for a log that the policy does not name. */
export function mirroredLogs(pool: Pool, trust: Trust): (originHash: string) => ReadLedger | undefined {
  const readers = new Map<string, ReadLedger>();
  return (text) => {
    const origin = trust.originOf(text);
    const [key] = origin === undefined ? [] : trust.logKeys(origin);
    if (origin === undefined || key === undefined) return undefined;
    let reader = readers.get(origin);
    if (reader === undefined) {
      reader = readLedger({ reader: mirrorReader(pool, origin), origin, logPublicKey: key.publicKey });
      readers.set(origin, reader);
    }
    return reader;
  };
}
