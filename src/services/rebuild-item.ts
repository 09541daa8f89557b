/**
 * Reads the documents of a ledger back into commit items: the inverse of `write/prepare` and of the access batches. What
 * it derives must be, row for row, what the writer made; a test compares two databases.
 */
import type { KeyObject } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { ordinalOfGroup, leafOfGroup, type LeafIndex, type ResourceKey } from '../core/ids.ts';
import { isTombstone } from '../formats/fhir/resource.ts';
import { decodeGrant, decodeRewrap, decodeSecret, recipientSecret, recipientTag } from '../keys/grant.ts';
import {
  lockboxSlot,
  resourceKey,
  sourceKey,
  sourceNumber,
  type IndexSecret,
  type LockboxSlot,
} from '../keys/index-secret.ts';
import { lockboxTag, type Lockbox } from '../keys/lockbox.ts';
import { labelSet, type LabelSet } from '../labels/label.ts';
import { parseDocument } from '../record/document.ts';
import { decodeManifest, joinManifest, type ManifestContent } from '../record/manifest.ts';
import { noticeOf } from '../record/notice.ts';
import { decodeSourceVersion } from '../record/source-document.ts';
import { parseLine, splitLines } from '../record/open.ts';
import { groupTag, packCompact, unsealGroup } from '../record/sealed-group.ts';
import { tryUnwrap, unwrap } from '../record/unwrap.ts';
import { moveControl } from '../write/moves.ts';
import { gatewayTokens, patientTokens, TokenRows, type Keyed } from '../write/token-rows.ts';
import { emptyItem, parseLinkKind, type CommitItem, type NewDocument } from '../write/ports.ts';
import { TagNumbers } from './tag-numbers.ts';
import type { PayloadRow } from './verify-ledger.ts';

/** Keys of the database that is being filled. */
export interface RebuiltKeys {
  /** A lockbox whose row is in the database now: it need not be looked up there. */
  learn(leaf: LeafIndex, lockbox: Lockbox): void;
  lockbox(leaf: LeafIndex): Promise<Lockbox>;
  lockboxAt(slot: LockboxSlot): Promise<{ leaf: LeafIndex; lockbox: Lockbox } | undefined>;
  patientSecret(patient: ResourceKey): Promise<IndexSecret | undefined>;
  /** The gateway's own index secret; undefined in an empty database. */
  gatewaySecret(): Promise<IndexSecret | undefined>;
}

/** How far the database is derived. */
export interface DerivedTo {
  /** The next block and leaf to read. */
  readonly block: number;
  readonly leaf: number;
  /** Record versions below that leaf. */
  readonly records: number;
}

/** The cursor of a derivation in the database that is filled. Idempotent; errors: `unavailable`. */
export interface DerivationStore {
  /** Undefined: nothing is derived, or nobody knows how far. */
  load(): Promise<DerivedTo | undefined>;
  /** Keeps the cursor together with the first unused tag number of lockboxes: both or neither. */
  save(to: DerivedTo, nextTags: ReadonlyMap<LeafIndex, number>): Promise<void>;
  /** The kept tag number of a lockbox. */
  nextTag(lockbox: LeafIndex): Promise<number | undefined>;
  /** Forgets the cursor: the derivation is done. */
  end(): Promise<void>;
}

/** The packed sealed part of the newest document that renews the grant or secret at a leaf. */
export type Renewal = (leaf: LeafIndex) => Promise<Buffer | undefined>;

const GENESIS = 0 as LeafIndex;

export class ItemReader {
  readonly #origin: string;
  readonly #masters: readonly KeyObject[];
  readonly #renewal: Renewal;
  readonly #keys: RebuiltKeys;
  #secret: IndexSecret | undefined;
  #gatewayToken: Keyed | undefined;
  /** Keys of documents that are not committed yet. */
  readonly #newLockboxes = new Map<LeafIndex, { slot: LockboxSlot; lockbox: Lockbox }>();
  readonly #newSlots = new Map<LockboxSlot, LeafIndex>();
  readonly #newSecrets = new Map<ResourceKey, { readonly leaf: LeafIndex; readonly secret: IndexSecret }>();
  /** Tag numbers of every lockbox: some 200 bytes each for the time of the rebuild. */
  readonly #tags = new Map<LeafIndex, TagNumbers>();
  /** First unused ones that the database does not have yet. */
  #counted = new Map<LeafIndex, number>();
  readonly #nextTag: DerivationStore['nextTag'];
  #leaf = 0;
  #item = emptyItem();
  #itemLeaf = 0;

  /** `masters`: the current one first. */
  constructor(
    origin: string,
    masters: readonly KeyObject[],
    keys: RebuiltKeys,
    nextTag: DerivationStore['nextTag'],
    renewal: Renewal = async () => undefined,
  ) {
    this.#nextTag = nextTag;
    this.#origin = origin;
    this.#masters = masters;
    this.#renewal = renewal;
    this.#keys = keys;
  }

  /** Goes on at a leaf below which all keys and counters are in the database. */
  async resume(leaf: number): Promise<void> {
    this.#secret = await this.#keys.gatewaySecret();
    this.#leaf = leaf;
    this.#itemLeaf = leaf;
  }

  /** The next leaf to read. */
  get leaf(): number {
    return this.#leaf;
  }

  /** Reads one document; the item when the document ends one. `payload` gives the next stored payload. */
  async read(
    leaf: LeafIndex,
    digest: Buffer,
    bytes: Buffer,
    payload: () => Promise<PayloadRow>,
  ): Promise<CommitItem | undefined> {
    const body = parseDocument(bytes);
    this.#leaf = leaf + 1;
    const document = this.#item.documents.push({ digest, body: bytes }) - 1;
    if (body.typ === 'key') return this.#take();
    if (body.typ === 'suspension' || body.typ === 'checkpoint') {
      this.#item.manifest = document;
      this.#item.notice = noticeOf(body);
      return this.#take();
    }
    const sealed = packCompact(body.sealed);
    switch (body.typ) {
      case 'secret': {
        const { plaintext, wrap } = await this.#open(leaf, sealed);
        const { secret, patient } = decodeSecret(plaintext);
        if (patient !== undefined) {
          this.#item.patients.push({ document, patient, wrap });
          this.#newSecrets.set(patient, { leaf, secret });
          await this.#countRecipientTag(groupTag(sealed));
          return undefined;
        }
        this.#secret = secret;
        this.#item.lockboxes.push({
          document,
          slot: lockboxSlot(secret, undefined, '' as LabelSet, 0),
          wrap,
          nextTag: 1,
        });
        await this.#countRecipientTag(groupTag(sealed));
        return this.#take();
      }
      case 'grant': {
        const { plaintext, wrap } = await this.#open(leaf, sealed);
        const lockbox = decodeGrant(plaintext);
        const slot = lockboxSlot(this.#gatewaySecret(), lockbox.patient, lockbox.labels, lockbox.epoch);
        this.#item.lockboxes.push({ document, slot, wrap, nextTag: 0 });
        this.#newLockboxes.set(leaf, { slot, lockbox });
        this.#newSlots.set(slot, leaf);
        await this.#countRecipientTag(groupTag(sealed));
        return undefined;
      }
      case 'rewrap': {
        await this.#countRecipientTag(groupTag(sealed));
        const plaintext = tryUnwrap(this.#masters, sealed);
        // Under a master that is destroyed: a later one has renewed it.
        if (plaintext === undefined) return this.#take();
        const { of, kind } = decodeRewrap(plaintext);
        const { patient } = kind === 'secret' ? decodeSecret(plaintext) : { patient: undefined };
        this.#item.rewraps = [patient === undefined ? { lockbox: of, wrap: sealed } : { patient, wrap: sealed }];
        return this.#take();
      }
      case 'source': {
        this.#item.manifest = document;
        const held = await this.#lockboxAt(lockboxSlot(this.#gatewaySecret(), undefined, labelSet(['MANIFEST']), 0));
        await this.#countTag(held.leaf, held.lockbox, groupTag(sealed));
        const { name, version } = decodeSourceVersion(unsealGroup(held.lockbox.keyObject, sealed).plaintext);
        this.#item.sourceVersion = { source: sourceKey(this.#gatewaySecret(), name), version };
        return this.#take();
      }
      case 'manifest':
      case 'access': {
        this.#item.manifest = document;
        const held = await this.#lockboxAt(
          lockboxSlot(this.#gatewaySecret(), undefined, labelSet([body.typ === 'access' ? 'AUDIT' : 'MANIFEST']), 0),
        );
        await this.#countTag(held.leaf, held.lockbox, groupTag(sealed));
        const content = decodeManifest(unsealGroup(held.lockbox.keyObject, sealed).plaintext);
        await this.#readManifest(leaf, body.payloads.length, content, payload);
        return this.#take();
      }
    }
  }

  /** A grant's or secret's content and the wrap to keep: its own, or that of the document that renewed it. */
  async #open(leaf: LeafIndex, sealed: Buffer): Promise<{ readonly plaintext: Buffer; readonly wrap: Buffer }> {
    const own = tryUnwrap(this.#masters, sealed);
    if (own !== undefined) return { plaintext: own, wrap: sealed };
    const wrap = (await this.#renewal(leaf)) ?? sealed;
    return { plaintext: unwrap(this.#masters, wrap, `document ${leaf}`), wrap };
  }

  /** After the commit of everything below a leaf: its keys are in the database now. */
  committed(below: number): void {
    for (const [leaf, { slot, lockbox }] of this.#newLockboxes) {
      if (leaf >= below) break;
      this.#newLockboxes.delete(leaf);
      this.#newSlots.delete(slot);
      this.#keys.learn(leaf, lockbox);
    }
    for (const [patient, { leaf }] of this.#newSecrets) {
      if (leaf >= below) break;
      this.#newSecrets.delete(patient);
    }
  }

  /** Tag counters that have moved since they were last taken. */
  takeCounters(): ReadonlyMap<LeafIndex, number> {
    const counted = this.#counted;
    this.#counted = new Map();
    return counted;
  }

  #take(): CommitItem {
    const item = this.#item;
    this.#item = emptyItem();
    this.#itemLeaf = this.#leaf;
    return item;
  }

  #gatewaySecret(): IndexSecret {
    if (this.#secret === undefined)
      throw new GatewayError('integrity', "the log does not begin with the gateway's secret");
    return this.#secret;
  }

  async #lockboxAt(slot: LockboxSlot): Promise<{ leaf: LeafIndex; lockbox: Lockbox }> {
    const leaf = this.#newSlots.get(slot);
    const made = leaf === undefined ? undefined : this.#newLockboxes.get(leaf);
    if (leaf !== undefined && made !== undefined) return { leaf, lockbox: made.lockbox };
    const held = await this.#keys.lockboxAt(slot);
    if (held === undefined)
      throw new GatewayError('integrity', `the lockbox of document ${this.#leaf - 1} has no grant before it`);
    return held;
  }

  async #readManifest(
    leaf: LeafIndex,
    count: number,
    inHead: ManifestContent,
    payload: () => Promise<PayloadRow>,
  ): Promise<void> {
    const item = this.#item;
    const secret = this.#gatewaySecret();
    const source = inHead.kind === 'access' ? 0 : sourceNumber(secret, inHead.source);
    const groups: { readonly ordinal: number; readonly lockbox: Lockbox; readonly packed: Buffer }[] = [];
    const parts: Buffer[] = [];
    for (let ordinal = 0; ordinal < count; ordinal += 1) {
      const row = await payload();
      const place = inHead.lockboxes[ordinal] ?? undefined;
      if (leafOfGroup(row.group) !== leaf || ordinalOfGroup(row.group) !== ordinal) {
        throw new GatewayError(
          'integrity',
          `payload ${ordinal} of document ${leaf} is missing; run \`anamnesis verify\``,
        );
      }
      if (place === undefined || row.packed === undefined) {
        item.payloads.push({ lockbox: undefined, digest: row.digest, size: row.size, body: undefined });
        continue;
      }
      const grant = (place >= 0 ? place : this.#itemLeaf - place - 1) as LeafIndex;
      const lockbox = this.#newLockboxes.get(grant)?.lockbox ?? (await this.#keys.lockbox(grant));
      await this.#countTag(grant, lockbox, groupTag(row.packed));
      const stored: LeafIndex | NewDocument = place >= 0 ? grant : { document: -place - 1 };
      item.payloads.push({ lockbox: stored, digest: row.digest, size: row.size, body: row.packed });
      if (inHead.groups.includes(ordinal)) groups.push({ ordinal, lockbox, packed: row.packed });
      if (inHead.more?.includes(ordinal) === true) parts.push(unsealGroup(lockbox.keyObject, row.packed).plaintext);
    }
    const content = joinManifest(inHead, parts);
    const times = new Map((content.times ?? []).map(([ordinal, line, time]) => [`${ordinal} ${line}`, time]));
    for (const { ordinal, lockbox, packed } of groups) {
      await this.#readGroup(content, ordinal, lockbox, packed, source, times);
    }
    for (const [hash, resource] of content.aliases ?? []) item.aliases.push({ hash, resource });
    item.links = (content.links ?? []).map(([patient, other, seq, kind, wasActive, sourceTime]) => {
      return { patient, other, seq, kind: parseLinkKind(kind), wasActive: wasActive ?? undefined, sourceTime };
    });
    item.withdrawn = (content.withdrawn ?? []).map(([resource, version]) => ({ resource, version }));
    item.moves = (content.moves ?? []).map(([anchor, from, to, id]) => ({
      anchor,
      from,
      to,
      ...moveControl(secret, id),
    }));
    item.restated = (content.restated ?? []).map(([resource, sourceTime]) => {
      return { resource, version: 0, source, sourceTime };
    });
    if (content.message !== undefined) {
      const [control, digest, thread] = content.message;
      item.message = { control, digest, thread: thread ?? undefined };
    }
    if (content.quarantine !== undefined) item.quarantine = { reason: content.quarantine.code, source, at: content.at };
    if (content.reprocessOf !== undefined) item.reprocessOf = content.reprocessOf;
  }

  async #readGroup(
    content: ManifestContent,
    ordinal: number,
    lockbox: Lockbox,
    packed: Buffer,
    source: number,
    times: ReadonlyMap<string, number>,
  ): Promise<void> {
    const item = this.#item;
    const secret = this.#gatewaySecret();
    const { patient } = lockbox;
    const patientSecret =
      patient === undefined
        ? undefined
        : (this.#newSecrets.get(patient)?.secret ?? (await this.#keys.patientSecret(patient)));
    const patientToken = patientSecret && patientTokens(patientSecret);
    const gatewayToken = (this.#gatewayToken ??= gatewayTokens(secret));
    const tokens = new TokenRows();
    splitLines(unsealGroup(lockbox.keyObject, packed).plaintext).forEach((bytes, line) => {
      const resource = parseLine(bytes);
      item.records.push({
        resource: resourceKey(secret, resource.resourceType, resource.id),
        version: Number(resource.meta.versionId),
        payload: ordinal,
        line,
        source,
        sourceTime: times.get(`${ordinal} ${line}`) ?? content.time,
      });
      if (resource.resourceType === 'Consent' && patient !== undefined) item.consentPatients.push(patient);
      if (isTombstone(resource)) return;
      tokens.addResource(resource, line, gatewayToken, patientToken);
    });
    for (const row of tokens.rows(ordinal)) item.tokens.push(row);
  }

  async #countRecipientTag(tag: string): Promise<void> {
    const recipient = recipientSecret(this.#gatewaySecret(), this.#origin);
    await this.#count(GENESIS, tag, (n) => recipientTag(recipient, n));
  }

  async #countTag(leaf: LeafIndex, lockbox: Lockbox, tag: string): Promise<void> {
    await this.#count(leaf, tag, (n) => lockboxTag(lockbox, n));
  }

  async #count(leaf: LeafIndex, tag: string, tagOf: (n: number) => string): Promise<void> {
    const numbers = this.#tags.get(leaf) ?? new TagNumbers((await this.#nextTag(leaf)) ?? 0);
    this.#tags.set(leaf, numbers);
    if (numbers.find(tag, tagOf) === undefined)
      throw new GatewayError('integrity', `a tag of document ${this.#leaf - 1} is not one of its lockbox`);
    this.#counted.set(leaf, numbers.next);
  }
}
