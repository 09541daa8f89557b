/**
 * The documents, keys, payloads and index rows of one message while it is being prepared. What a draft makes becomes true
 * only when its item is committed; a draft that loses its race is thrown away and nothing remembers it.
 */
import { GatewayError } from '../core/errors.ts';
import { PAYLOADS_PER_MANIFEST, type AliasHash, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import type { Random } from '../core/random.ts';
import type { IndexSecret, LockboxSlot } from '../keys/index-secret.ts';
import { lockboxTag, type Lockbox } from '../keys/lockbox.ts';
import type { LabelSet } from '../labels/label.ts';
import type { DocumentBody, PayloadEntry, SignedDocument } from '../record/document.ts';
import { seal, sealGroup, type ContentType } from '../record/sealed-group.ts';
import type { HeldLockbox, Keyring } from './keyring.ts';
import { emptyItem, type CommitItem, type CommitItemDraft, type NewDocument } from './ports.ts';

interface NewBox {
  readonly slot: LockboxSlot;
  readonly lockbox: Lockbox;
  readonly document: number;
  readonly wrap: Buffer;
  used: number;
}

export interface DraftDeps {
  readonly keyring: Keyring;
  readonly sign: (body: DocumentBody) => SignedDocument;
  readonly random: Random;
}

export class Draft {
  readonly #deps: DraftDeps;
  readonly #held: ReadonlyMap<LockboxSlot, HeldLockbox>;
  readonly #boxes = new Map<LockboxSlot, NewBox>();
  readonly #secrets = new Map<ResourceKey, IndexSecret>();
  readonly #entries: PayloadEntry[] = [];
  readonly #lockboxes: (number | null)[] = [];
  readonly item: CommitItemDraft = emptyItem();

  /** `held`: the lockboxes that exist already, by slot. */
  constructor(deps: DraftDeps, held: ReadonlyMap<LockboxSlot, HeldLockbox>) {
    this.#deps = deps;
    this.#held = held;
  }

  /** Lockbox of each payload so far, in the form of the manifest. */
  get lockboxes(): readonly (number | null)[] {
    return this.#lockboxes;
  }

  /** Makes a new patient's index secret and its document. */
  async addPatient(patient: ResourceKey): Promise<IndexSecret> {
    const known = this.#secrets.get(patient);
    if (known !== undefined) return known;
    const made = await this.#deps.keyring.newPatient(patient);
    const document = this.item.documents.push({ digest: made.document.digest, body: made.document.bytes }) - 1;
    this.item.patients.push({ document, patient, wrap: made.wrap });
    this.#secrets.set(patient, made.secret);
    return made.secret;
  }

  addAlias(hash: AliasHash, resource: ResourceKey): void {
    this.item.aliases.push({ hash, resource });
  }

  /** Seals a payload in the lockbox of a patient (or of the gateway) and label set, made if there is none. Returns its ordinal. */
  async addPayload(
    patient: ResourceKey | undefined,
    labels: LabelSet,
    epoch: number,
    cty: ContentType,
    plaintext: Buffer,
  ): Promise<number> {
    this.#refuseMore();
    const { kid, lockbox, place } = await this.#tag(patient, labels, epoch);
    const sealed = sealGroup(lockbox.keyObject, kid, cty, plaintext, this.#deps.random);
    this.#entries.push({ digest: sealed.digest.toString('base64url'), size: sealed.size });
    this.#lockboxes.push(typeof place === 'number' ? place : -(place.document + 1));
    return (
      this.item.payloads.push({ lockbox: place, digest: sealed.digest, size: sealed.size, body: sealed.packed }) - 1
    );
  }

  addBlob(digest: Buffer, size: number): void {
    this.#refuseMore();
    this.#entries.push({ digest: digest.toString('base64url'), size, blob: true });
    this.#lockboxes.push(null);
    this.item.payloads.push({ lockbox: undefined, digest, size, body: undefined });
  }

  /** One more payload would take a place that belongs to the next document. */
  #refuseMore(): void {
    if (this.#entries.length < PAYLOADS_PER_MANIFEST) return;
    throw new GatewayError(
      'too-large',
      `one message fills at most ${PAYLOADS_PER_MANIFEST} lockboxes; send it in parts`,
    );
  }

  /** Seals the inner part of the manifest (access batch, source) and signs the document; the draft is complete. */
  async finish(typ: 'manifest' | 'access' | 'source', labels: LabelSet, content: Buffer): Promise<CommitItem> {
    const { kid, lockbox } = await this.#tag(undefined, labels, 0);
    const { compact } = seal(lockbox.keyObject, kid, 'application/json', content, this.#deps.random);
    const document = this.#deps.sign({ v: 1, typ, payloads: this.#entries, sealed: compact });
    this.item.manifest = this.item.documents.push({ digest: document.digest, body: document.bytes }) - 1;
    for (const box of this.#boxes.values()) {
      this.item.lockboxes.push({
        document: box.document,
        slot: box.slot,
        wrap: box.wrap,
        nextTag: this.#reserved(box),
      });
    }
    return this.item;
  }

  /** After the commit: enters the new keys into the keyring. */
  learn(firstLeaf: number): void {
    const { keyring } = this.#deps;
    for (const box of this.#boxes.values()) {
      const leaf = (firstLeaf + box.document) as LeafIndex;
      keyring.learnLockbox(box.slot, { leaf, lockbox: box.lockbox }, { used: box.used, reserved: this.#reserved(box) });
    }
    for (const [patient, secret] of this.#secrets) keyring.learnPatient(patient, secret);
  }

  #reserved(box: NewBox): number {
    return Math.max(this.#deps.keyring.firstTags(box.lockbox), box.used);
  }

  async #tag(
    patient: ResourceKey | undefined,
    labels: LabelSet,
    epoch: number,
  ): Promise<{ kid: string; lockbox: Lockbox; place: LeafIndex | NewDocument }> {
    const { keyring } = this.#deps;
    const slot = keyring.slot(patient, labels, epoch);
    const held = this.#held.get(slot);
    if (held !== undefined) return { kid: await keyring.drawTag(held), lockbox: held.lockbox, place: held.leaf };
    let box = this.#boxes.get(slot);
    if (box === undefined) {
      const lockbox = keyring.newLockbox(patient, labels, epoch);
      const { document, wrap } = await keyring.grant(lockbox);
      const position = this.item.documents.push({ digest: document.digest, body: document.bytes }) - 1;
      box = { slot, lockbox, document: position, wrap, used: 0 };
      this.#boxes.set(slot, box);
    }
    const kid = lockboxTag(box.lockbox, box.used);
    box.used += 1;
    return { kid, lockbox: box.lockbox, place: { document: box.document } };
  }
}
