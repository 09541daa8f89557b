/** Keys of a database that is being rebuilt: the ordinary keyring over its own key rows, and the counters at the end. */
import type { KeyObject } from 'node:crypto';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import { Lru } from '../core/lru.ts';
import { decodeGrant, decodeSecret } from '../keys/grant.ts';
import type { IndexSecret, LockboxSlot } from '../keys/index-secret.ts';
import type { Lockbox } from '../keys/lockbox.ts';
import { unwrap } from '../record/unwrap.ts';
import { GatewayError } from '../core/errors.ts';
import type { KeyStore, LockboxRow } from '../write/ports.ts';
import type { RebuiltKeys } from './rebuild-item.ts';

const CACHE = 50_000;
/** The gateway's own secret is the first document of its log. */
const GENESIS = 0 as LeafIndex;

/** `master`: all masters under which keys may stand. */
export function rebuiltKeys(store: KeyStore, master: KeyObject | readonly KeyObject[]): RebuiltKeys {
  const masters = 'type' in master ? [master] : master;
  const byLeaf = new Lru<LeafIndex, Lockbox>(CACHE);
  const secrets = new Lru<ResourceKey, IndexSecret>(CACHE);
  const open = (row: LockboxRow): Lockbox => {
    const lockbox = decodeGrant(unwrap(masters, row.wrap));
    byLeaf.set(row.leaf, lockbox);
    return lockbox;
  };
  const bySlot = new Lru<LockboxSlot, { leaf: LeafIndex; lockbox: Lockbox }>(CACHE);
  return {
    learn: (leaf, lockbox) => byLeaf.set(leaf, lockbox),
    async gatewaySecret() {
      const [row] = await store.lockboxesByLeaf([GENESIS]);
      return row && decodeSecret(unwrap(masters, row.wrap)).secret;
    },
    async lockbox(leaf) {
      const known = byLeaf.get(leaf);
      if (known !== undefined) return known;
      const [row] = await store.lockboxesByLeaf([leaf]);
      if (row === undefined) throw new GatewayError('integrity', `the grant at leaf ${leaf} is missing`);
      return open(row);
    },
    async lockboxAt(slot) {
      const known = bySlot.get(slot);
      if (known !== undefined) return known;
      const [row] = await store.lockboxesBySlot([slot]);
      if (row === undefined) return undefined;
      const held = { leaf: row.leaf, lockbox: open(row) };
      bySlot.set(slot, held);
      return held;
    },
    async patientSecret(patient) {
      const known = secrets.get(patient);
      if (known !== undefined) return known;
      const [row] = await store.patients([patient]);
      if (row === undefined) return undefined;
      const { secret } = decodeSecret(unwrap(masters, row.wrap));
      secrets.set(patient, secret);
      return secret;
    },
  };
}
