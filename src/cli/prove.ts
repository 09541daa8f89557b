/**
 * `anamnesis prove`: the receipt of a record version, of a message or of any leaf, from the stored ledger of the configured
 * gateway, whether that runs or not: under the newest checkpoint that the policy's quorum has cosigned, or the newest of all where
 * none of those has come to the leaf yet. A receipt holds ciphertext and digests; nothing is opened to make it.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex } from '../core/ids.ts';
import { decodeSecret } from '../keys/grant.ts';
import { messageKey, resourceKey, type IndexSecret } from '../keys/index-secret.ts';
import { mastersOf } from '../keys/key-set.ts';
import { unwrap } from '../record/unwrap.ts';
import { receiptOfVersion } from '../services/prove-version.ts';
import { readLedger, type ReadLedger } from '../services/read-ledger.ts';
import { versionNumber } from '../services/read-version.ts';
import { ledgerReader } from '../storage/pg/ledger-reader.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import { recordStore } from '../storage/pg/record-store.ts';
import { signatureStore } from '../storage/pg/signature-store.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';

/** What is to be proven. */
type Target =
  | { readonly kind: 'leaf'; readonly leaf: number }
  | { readonly kind: 'message'; readonly source: string; readonly control: string }
  | { readonly kind: 'record'; readonly type: string; readonly id: string; readonly version: number | undefined };

const REFERENCE = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([^/]+))?$/;

export const prove: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      leaf: { type: 'string' },
      message: { type: 'string' },
      source: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const config = readSettings(context);
  const target = parseTarget(values, positionals, config.source.name);
  const stored = await openStoredLedger(config);
  try {
    const text = await receiptFor(stored, target);
    if (values.out === undefined) context.out(text.trimEnd());
    else writeFileSync(values.out, text);
    return EXIT.ok;
  } finally {
    await stored.close();
  }
};

function parseTarget(
  values: { readonly leaf?: string; readonly message?: string; readonly source?: string },
  positionals: readonly string[],
  source: string,
): Target {
  const asked = positionals.length + (values.leaf === undefined ? 0 : 1) + (values.message === undefined ? 0 : 1);
  if (asked !== 1)
    throw new UsageError('say what to prove: Type/id, Type/id/_history/version, --leaf N or --message ID');
  if (values.message !== undefined) {
    return { kind: 'message', control: values.message, source: values.source ?? source };
  }
  if (values.source !== undefined) throw new UsageError('--source goes with --message');
  if (values.leaf !== undefined) {
    if (!/^(0|[1-9]\d{0,15})$/.test(values.leaf)) throw new UsageError('--leaf takes a number from 0');
    return { kind: 'leaf', leaf: Number(values.leaf) };
  }
  const [, type, id, versionId] = REFERENCE.exec(positionals[0]) ?? [];
  const version = versionId === undefined ? undefined : versionNumber(versionId);
  if (type === undefined || (versionId !== undefined && version === undefined)) {
    throw new UsageError('a record is named Type/id or Type/id/_history/version');
  }
  return { kind: 'record', type, id, version };
}

async function receiptFor(stored: StoredLedger, target: Target): Promise<string> {
  const { pool, keys } = stored;
  const ledger = readLedger({
    reader: ledgerReader(pool),
    origin: keys.origin,
    logPublicKey: Buffer.from(keys.log),
    published: async () => (await signatureStore(pool).load()).published,
  });
  if (target.kind === 'leaf') return ledger.receiptOf(target.leaf);
  const secret = await gatewaySecret(stored);
  if (target.kind === 'message') return messageReceipt(stored, ledger, secret, target);
  const records = recordStore(pool);
  const key = resourceKey(secret, target.type, target.id);
  const found =
    target.version === undefined ? (await records.current([key])).get(key) : await records.version(key, target.version);
  if (found === undefined) throw new GatewayError('not-found', 'there is no such record');
  return receiptOfVersion(ledger, found);
}

async function messageReceipt(
  { pool }: StoredLedger,
  ledger: ReadLedger,
  secret: IndexSecret,
  { source, control }: Extract<Target, { kind: 'message' }>,
): Promise<string> {
  const key = messageKey(secret, source, control, Buffer.alloc(0));
  const found = await prepareStore(pool).findMessages(key.control);
  if (found.length === 0) throw new GatewayError('not-found', 'no message of this source has this control id');
  if (found.length > 1) {
    const leaves = found.map(({ leaf }) => leaf).join(', ');
    throw new UsageError(`several messages came under this control id, at the leaves ${leaves}: ask with --leaf`);
  }
  return ledger.receiptOf(found[0].leaf);
}

async function gatewaySecret({ pool, keySet }: StoredLedger): Promise<IndexSecret> {
  const [row] = await keyStore(pool).lockboxesByLeaf([0 as LeafIndex]);
  if (row === undefined) throw new GatewayError('not-found', 'nothing is anchored yet');
  return decodeSecret(unwrap(mastersOf(keySet), row.wrap)).secret;
}
