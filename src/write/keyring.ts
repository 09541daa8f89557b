/**
 * The keys in use: lockboxes and patients' index secrets, opened from their wraps and kept in bounded caches; tag numbers
 * drawn from reserved blocks; new keys made together with the documents that anchor them. What stands in a cache was
 * committed; keys of a message that is still being prepared live in that message's own draft.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import type { LeafIndex, ResourceKey } from '../core/ids.ts';
import { TAG_GAP } from '../core/limits.ts';
import { Lru } from '../core/lru.ts';
import type { Random } from '../core/random.ts';
import { decodeGrant, decodeSecret, encodeGrant, encodeSecret, recipientSecret, recipientTag } from '../keys/grant.ts';
import { lockboxSlot, type IndexSecret, type LockboxSlot } from '../keys/index-secret.ts';
import { lockboxTag, newLockbox, type Lockbox } from '../keys/lockbox.ts';
import type { LabelSet } from '../labels/label.ts';
import type { DocumentBody, SignedDocument } from '../record/document.ts';
import { seal } from '../record/sealed-group.ts';
import { unwrap } from '../record/unwrap.ts';
import type { KeyStore, LockboxRow } from './ports.ts';
import { gatewayTokens, type Keyed } from './token-rows.ts';

/**
 * Tag numbers reserved at a time. What a process had reserved when it died is never used: an enumeration must be able to skip the
 * blocks of several that died one after the other.
 */
const PATIENT_TAG_BLOCK = 16;
const GATEWAY_TAG_BLOCK = TAG_GAP / 4;
const LOCKBOX_CACHE = 50_000;
const PATIENT_CACHE = 50_000;

interface TagBlock {
  next: number;
  end: number;
  refill: Promise<void> | undefined;
}

export interface HeldLockbox {
  readonly leaf: LeafIndex;
  readonly lockbox: Lockbox;
}

/** A key made for a message in preparation: its document, and the row by which it is found. */
export interface NewWrap {
  readonly document: SignedDocument;
  /** Packed sealed grant or secret. */
  readonly wrap: Buffer;
}

export interface KeyringDeps {
  readonly store: KeyStore;
  /** Seals new wraps. */
  readonly master: KeyObject;
  /** Earlier masters under which wraps may still stand. */
  readonly retired?: readonly KeyObject[];
  readonly sign: (body: DocumentBody) => SignedDocument;
  readonly random: Random;
  readonly origin: string;
  readonly gatewaySecret: IndexSecret;
}

export class Keyring {
  readonly gatewaySecret: IndexSecret;
  /** Search tokens under the gateway's secret. */
  readonly gatewayToken: Keyed;
  readonly #deps: KeyringDeps;
  readonly #recipient: Buffer;
  readonly #masters: readonly KeyObject[];
  readonly #bySlot = new Lru<LockboxSlot, HeldLockbox>(LOCKBOX_CACHE);
  readonly #byLeaf = new Lru<LeafIndex, Lockbox>(LOCKBOX_CACHE);
  readonly #patients = new Lru<ResourceKey, IndexSecret>(PATIENT_CACHE);
  readonly #tags = new Lru<LeafIndex, TagBlock>(LOCKBOX_CACHE);

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
    this.gatewaySecret = deps.gatewaySecret;
    this.gatewayToken = gatewayTokens(deps.gatewaySecret);
    this.#masters = [deps.master, ...(deps.retired ?? [])];
    this.#recipient = recipientSecret(deps.gatewaySecret, deps.origin);
  }

  slot(patient: ResourceKey | undefined, labels: LabelSet, epoch: number): LockboxSlot {
    return lockboxSlot(this.gatewaySecret, patient, labels, epoch);
  }

  /** The lockboxes that exist at these slots; what does not exist yet is missing from the map. */
  async bySlot(slots: readonly LockboxSlot[]): Promise<ReadonlyMap<LockboxSlot, HeldLockbox>> {
    const found = new Map<LockboxSlot, HeldLockbox>();
    const missing: LockboxSlot[] = [];
    for (const slot of new Set(slots)) {
      const held = this.#bySlot.get(slot);
      if (held) found.set(slot, held);
      else missing.push(slot);
    }
    if (missing.length > 0) {
      for (const row of await this.#deps.store.lockboxesBySlot(missing)) found.set(row.slot, this.#hold(row));
    }
    return found;
  }

  /** The lockboxes of these grants. Throws `integrity` when one is not there. */
  async byLeaf(leaves: readonly LeafIndex[]): Promise<ReadonlyMap<LeafIndex, Lockbox>> {
    const found = new Map<LeafIndex, Lockbox>();
    const missing: LeafIndex[] = [];
    for (const leaf of new Set(leaves)) {
      const lockbox = this.#byLeaf.get(leaf);
      if (lockbox) found.set(leaf, lockbox);
      else missing.push(leaf);
    }
    if (missing.length > 0) {
      for (const row of await this.#deps.store.lockboxesByLeaf(missing)) found.set(row.leaf, this.#hold(row).lockbox);
    }
    for (const leaf of missing) {
      if (!found.has(leaf))
        throw new GatewayError('integrity', 'a lockbox that a payload names is not in the database');
    }
    return found;
  }

  #hold(row: LockboxRow): HeldLockbox {
    const held = { leaf: row.leaf, lockbox: decodeGrant(unwrap(this.#masters, row.wrap)) };
    const { patient, labels, epoch } = held.lockbox;
    // The database's account may change wraps: one of another lockbox would have somebody else's records sealed under it.
    if (this.slot(patient, labels, epoch) !== row.slot) throw swapped();
    this.learnLockbox(row.slot, held);
    return held;
  }

  /** Index secrets of the patients that are known here; unknown ones are missing from the map. */
  async patientSecrets(patients: readonly ResourceKey[]): Promise<ReadonlyMap<ResourceKey, IndexSecret>> {
    const found = new Map<ResourceKey, IndexSecret>();
    const missing: ResourceKey[] = [];
    for (const patient of new Set(patients)) {
      const secret = this.#patients.get(patient);
      if (secret) found.set(patient, secret);
      else missing.push(patient);
    }
    if (missing.length > 0) {
      for (const row of await this.#deps.store.patients(missing)) {
        const { secret, patient } = decodeSecret(unwrap(this.#masters, row.wrap));
        if (patient !== row.patient) throw swapped();
        this.learnPatient(row.patient, secret);
        found.set(row.patient, secret);
      }
    }
    return found;
  }

  /** Enters what a commit has made true. */
  learnLockbox(
    slot: LockboxSlot,
    held: HeldLockbox,
    tags?: { readonly used: number; readonly reserved: number },
  ): void {
    this.#bySlot.set(slot, held);
    this.#byLeaf.set(held.leaf, held.lockbox);
    if (tags !== undefined) this.#tags.set(held.leaf, { next: tags.used, end: tags.reserved, refill: undefined });
  }

  learnPatient(patient: ResourceKey, secret: IndexSecret): void {
    this.#patients.set(patient, secret);
  }

  /** Tag numbers that a new lockbox of this kind starts with, already reserved for the process that makes it. */
  firstTags(lockbox: Lockbox): number {
    return lockbox.patient === undefined ? GATEWAY_TAG_BLOCK : PATIENT_TAG_BLOCK;
  }

  /** The next unused tag of a committed lockbox. */
  async drawTag(held: HeldLockbox): Promise<string> {
    return lockboxTag(held.lockbox, await this.#draw(held.leaf, this.firstTags(held.lockbox)));
  }

  async #draw(leaf: LeafIndex, count: number): Promise<number> {
    for (;;) {
      const block = this.#tags.get(leaf) ?? { next: 0, end: 0, refill: undefined };
      if (block.next < block.end) return block.next++;
      this.#tags.set(leaf, block);
      block.refill ??= this.#deps.store.reserveTags([leaf], count).then(
        (firsts) => {
          const first = firsts.get(leaf);
          if (first === undefined) throw new GatewayError('integrity', 'a lockbox is not in the database');
          block.next = first;
          block.end = first + count;
          block.refill = undefined;
        },
        (error: unknown) => {
          block.refill = undefined;
          throw error;
        },
      );
      await block.refill;
    }
  }

  /** A fresh lockbox key; nothing is true of it until the item that carries its grant is committed. */
  newLockbox(patient: ResourceKey | undefined, labels: LabelSet, epoch: number): Lockbox {
    return newLockbox(this.#deps.random, patient, labels, epoch);
  }

  /** The grant of a new lockbox to this gateway. */
  async grant(lockbox: Lockbox): Promise<NewWrap> {
    return this.#wrap('grant', encodeGrant(lockbox));
  }

  /** A fresh index secret for a patient, with the document that anchors it. */
  async newPatient(patient: ResourceKey): Promise<NewWrap & { readonly secret: IndexSecret }> {
    const secret = this.#deps.random.bytes(32) as IndexSecret;
    return { secret, ...(await this.#wrap('secret', encodeSecret(secret, patient))) };
  }

  /** A document that renews the wrap of an older one under the current master. `content` is wiped. */
  async rewrap(content: Buffer): Promise<NewWrap> {
    return this.#wrap('rewrap', content);
  }

  async #wrap(typ: 'grant' | 'secret' | 'rewrap', content: Buffer): Promise<NewWrap> {
    const n = await this.#draw(0 as LeafIndex, GATEWAY_TAG_BLOCK);
    return wrapForSelf(this.#deps, this.#recipient, n, typ, content);
  }
}

function swapped(): GatewayError {
  return new GatewayError(
    'integrity',
    'a key in the database stands in the row of another one; run `anamnesis rebuild`',
  );
}

function wrapForSelf(
  deps: Pick<KeyringDeps, 'master' | 'sign' | 'random'>,
  recipient: Buffer,
  n: number,
  typ: 'grant' | 'secret' | 'rewrap',
  content: Buffer,
): NewWrap {
  const { packed, compact } = seal(deps.master, recipientTag(recipient, n), 'application/json', content, deps.random);
  content.fill(0);
  return { document: deps.sign({ v: 1, typ, payloads: [], sealed: compact }), wrap: packed };
}

/**
 * The first document of a log: the gateway's index secret. Its row (leaf 0 of the lockbox table) counts the recipient
 * tags of the gateway's grants to itself.
 */
export function genesisSecret(
  deps: Pick<KeyringDeps, 'master' | 'sign' | 'random' | 'origin'>,
): NewWrap & { readonly secret: IndexSecret; readonly slot: LockboxSlot; readonly nextTag: number } {
  const secret = deps.random.bytes(32) as IndexSecret;
  const made = wrapForSelf(deps, recipientSecret(secret, deps.origin), 0, 'secret', encodeSecret(secret, undefined));
  return { secret, ...made, slot: lockboxSlot(secret, undefined, '' as LabelSet, 0), nextTag: 1 };
}
