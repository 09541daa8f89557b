/**
 * After a rotation of master: seals every lockbox key and index secret again under the new master, each as a `rewrap` document in
 * the ledger, and puts it in the place of the old wrap. Goes over all wraps, leaves those alone that the new master opens: it
 * can be stopped and started again at any point, beside gateways that work.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import { encodeRewrap } from '../keys/grant.ts';
import { tryUnwrap } from '../record/unwrap.ts';
import type { GroupCommitter } from '../write/group-commit.ts';
import type { Keyring } from '../write/keyring.ts';
import { emptyItem, type CommitItem } from '../write/ports.ts';

export interface LockboxWrap {
  readonly leaf: LeafIndex;
  readonly wrap: Buffer;
}

export interface PatientWrap extends LockboxWrap {
  readonly patient: ResourceKey;
}

/** All wraps, in the order of a key, from after the one given; an empty page is the end. Idempotent reads. */
export interface WrapStore {
  lockboxes(after: number, limit: number): Promise<readonly LockboxWrap[]>;
  patients(after: ResourceKey | undefined, limit: number): Promise<readonly PatientWrap[]>;
}

export interface RenewDeps {
  readonly wraps: WrapStore;
  readonly keyring: Pick<Keyring, 'rewrap'>;
  readonly committer: Pick<GroupCommitter, 'commit'>;
  readonly master: KeyObject;
  /** Masters that are to be destroyed. */
  readonly retired: readonly KeyObject[];
  readonly progress: (done: { readonly seen: number; readonly renewed: number }) => void;
  /** Called between two pages with the milliseconds that the last one took: to leave room for other work, or to throw. */
  readonly pause?: (tookMs: number) => Promise<void>;
}

const PAGE = 256;

/** Durable on return: nothing stands under a retired master any more. Throws `integrity` for a wrap that no master opens. */
export async function renewWraps(deps: RenewDeps): Promise<{ readonly seen: number; readonly renewed: number }> {
  const done = { seen: 0, renewed: 0 };
  const renew = async <Row extends LockboxWrap>(
    rows: readonly Row[],
    place: (row: Row, wrap: Buffer) => NonNullable<CommitItem['rewraps']>[number],
  ): Promise<void> => {
    const startedAt = performance.now();
    const renewed = await Promise.all(rows.map((row) => renewOne(deps, row, (wrap) => place(row, wrap))));
    done.seen += rows.length;
    done.renewed += renewed.filter(Boolean).length;
    deps.progress(done);
    await deps.pause?.(performance.now() - startedAt);
  };
  for (let after = -1; ;) {
    const rows = await deps.wraps.lockboxes(after, PAGE);
    const last = rows.at(-1);
    if (last === undefined) break;
    await renew(rows, ({ leaf }, wrap) => ({ lockbox: leaf, wrap }));
    after = last.leaf;
  }
  for (let after: ResourceKey | undefined; ;) {
    const rows: readonly PatientWrap[] = await deps.wraps.patients(after, PAGE);
    const last = rows.at(-1);
    if (last === undefined) break;
    await renew(rows, ({ patient }, wrap) => ({ patient, wrap }));
    after = last.patient;
  }
  return done;
}

async function renewOne(
  deps: RenewDeps,
  { leaf, wrap }: LockboxWrap,
  place: (wrap: Buffer) => NonNullable<CommitItem['rewraps']>[number],
): Promise<boolean> {
  if (tryUnwrap([deps.master], wrap) !== undefined) return false;
  const content = tryUnwrap(deps.retired, wrap);
  if (content === undefined) {
    throw new GatewayError('integrity', `the wrap of document ${leaf} opens under no master of the key file`);
  }
  const made = await deps.keyring.rewrap(encodeRewrap(content, leaf));
  content.fill(0);
  const { digest, bytes } = made.document;
  const item = { ...emptyItem(), documents: [{ digest, body: bytes }], rewraps: [place(made.wrap)] };
  const outcome = await deps.committer.commit(item);
  if (outcome.kind !== 'committed') throw new GatewayError('busy', 'a renewed key was not taken; start again');
  return true;
}
