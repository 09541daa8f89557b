/**
 * Puts the writing side together over its ports: index secret (made and anchored as the first document of a new log),
 * keyring, group commit, writer.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Random } from '../core/random.ts';
import { validateResource } from '../formats/fhir/validate.ts';
import { decodeSecret } from '../keys/grant.ts';
import type { IndexSecret } from '../keys/index-secret.ts';
import { firstOrigin, mastersOf, type KeySet } from '../keys/key-set.ts';
import { signCheckpoint } from '../ledger/checkpoint.ts';
import { documentSigner, type DocumentBody, type SignedDocument } from '../record/document.ts';
import { unwrap } from '../record/unwrap.ts';
import { logAppender, type Appender } from './append.ts';
import { groupCommitter, type Committed, type GroupCommitter } from './group-commit.ts';
import { genesisSecret, Keyring } from './keyring.ts';
import { emptyItem, type CommitItem, type CommitStore, type KeyStore, type PrepareStore } from './ports.ts';
import type { Writer } from './submission.ts';
import { createWriter, type AccessWriter } from './writer.ts';

interface PreparingDeps {
  readonly origin: string;
  readonly keys: KeySet;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly prepareStore: PrepareStore;
  readonly keyStore: KeyStore;
  /** As `WriterDeps.inBatches`. */
  readonly inBatches?: boolean;
}

export interface OpenWriterDeps extends PreparingDeps {
  readonly commitStore: CommitStore;
  /** Packed sealed index secret of the gateway; undefined for a new log. */
  readonly sealedSecret: Buffer | undefined;
  /** Called after each commit. */
  readonly onCommitted: (commit: Committed) => void;
}

export interface JoinedWriter {
  readonly writer: Writer & AccessWriter;
  readonly keyring: Keyring;
}

export interface OpenedWriter extends JoinedWriter {
  readonly committer: GroupCommitter;
}

/** Durable on return: a new log has its first document. */
export async function openWriter(deps: OpenWriterDeps): Promise<OpenedWriter> {
  const sign = documentSigner(deps.keys.sign);
  const { privateKey, rawPublicKey } = deps.keys.log;
  const signer = { name: deps.origin, privateKey, rawPublicKey };
  const appender = logAppender((size, root) => signCheckpoint(deps.origin, size, root, signer));
  const gatewaySecret =
    deps.sealedSecret === undefined ? await beginLog(deps, sign, appender) : openSecret(deps.keys, deps.sealedSecret);
  const committer = groupCommitter({ store: deps.commitStore, appender, log: deps.log, onCommitted: deps.onCommitted });
  return { ...writerOver(deps, gatewaySecret, committer), committer };
}

/** A writer that prepares in a thread of its own, over the committer of another; the log was begun. Throws `integrity`. */
export function joinWriter(
  deps: PreparingDeps & { readonly sealedSecret: Buffer; readonly committer: Pick<GroupCommitter, 'commit'> },
): JoinedWriter {
  return writerOver(deps, openSecret(deps.keys, deps.sealedSecret), deps.committer);
}

function openSecret(keys: KeySet, sealed: Buffer): IndexSecret {
  return decodeSecret(unwrap(mastersOf(keys), sealed)).secret;
}

function writerOver(
  deps: PreparingDeps,
  gatewaySecret: IndexSecret,
  committer: Pick<GroupCommitter, 'commit'>,
): JoinedWriter {
  const sign = documentSigner(deps.keys.sign);
  const keyring = new Keyring({
    store: deps.keyStore,
    master: deps.keys.master,
    retired: deps.keys.history.master,
    sign,
    random: deps.random,
    origin: firstOrigin(deps.keys, deps.origin),
    gatewaySecret,
  });
  const writer = createWriter({
    store: deps.prepareStore,
    keyring,
    sign,
    random: deps.random,
    clock: deps.clock,
    validate: validateResource,
    committer,
    log: deps.log,
    ...(deps.inBatches === true && { inBatches: true }),
  });
  return { writer, keyring };
}

/** Anchors the gateway's index secret as document 0. */
async function beginLog(
  deps: OpenWriterDeps,
  sign: (body: DocumentBody) => SignedDocument,
  appender: Appender,
): Promise<IndexSecret> {
  const master: KeyObject = deps.keys.master;
  const made = genesisSecret({
    master,
    sign,
    random: deps.random,
    origin: firstOrigin(deps.keys, deps.origin),
  });
  const { digest, bytes } = made.document;
  const item: CommitItem = {
    ...emptyItem(),
    documents: [{ digest, body: bytes }],
    lockboxes: [{ document: 0, slot: made.slot, wrap: made.wrap, nextTag: made.nextTag }],
  };
  const begun = new GatewayError('conflict', 'another process has just begun this log; start again');
  const outcome = await deps.commitStore.commit([item], async (head, log) => {
    if (head.size > 0) throw begun;
    return appender.append(head, log, [digest]);
  });
  if (outcome.kind !== 'committed') throw begun;
  return made.secret;
}
