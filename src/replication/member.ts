/**
 * What a member says of itself, and how it shows who it is (docs/replication.md). The one key that others trust of a gateway
 * is its log's, from their policy file; with it the gateway signs a *member note* that names its `sign` key of today, and with
 * that key the short-lived tokens of its requests. So a rotated `sign` key is in force with the first request that uses it,
 * and the old one ends there: of two notes the later issued counts.
 */
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { fromBase64url } from '../core/bytes.ts';
import type { Clock } from '../core/clock.ts';
import { PEER_CLOCK_SKEW_SECONDS } from '../core/limits.ts';
import { GatewayError } from '../core/errors.ts';
import { Lru } from '../core/lru.ts';
import type { KeyPair } from '../keys/key-set.ts';
import { fromBase64, parseNote, signNote, verifyNote, type NoteSigner, type VerifierKey } from '../ledger/note.ts';
import { parseSize } from '../ledger/witness-message.ts';
import type { Trust } from './trust.ts';

const HEADER = 'anamnesis member v1';
/** Seconds that a token is valid. */
const TOKEN_SECONDS = 60;
const TOKEN_MAX_CHARS = 4096;

export interface Member {
  readonly origin: string;
  /** When the note was signed, POSIX milliseconds: a key that takes the place of another within a second is the later one. */
  readonly issued: number;
  /** Raw Ed25519 public key that signs tokens, documents and suspensions. */
  readonly sign: Buffer;
}

function signMember(member: Member, log: NoteSigner): string {
  return signNote(`${HEADER}\n${member.origin}\n${member.issued}\nsign ${member.sign.toString('base64')}\n`, log);
}

/** The member if the note is signed by one of the keys trusted for its origin; undefined when it is malformed or is not. */
export function verifyMember(note: string, logKeys: (origin: string) => readonly VerifierKey[]): Member | undefined {
  const parsed = parseNote(note);
  const [header, origin = '', issuedText = '', signText = '', end, ...more] = parsed?.text.split('\n') ?? [];
  if (parsed === undefined || header !== HEADER || end !== '' || more.length > 0) return undefined;
  const issued = parseSize(issuedText);
  const key = signText.startsWith('sign ') ? fromBase64(signText.slice(5)) : undefined;
  if (issued === undefined || key?.length !== 32) return undefined;
  return verifyNote(parsed, logKeys(origin)) === undefined ? undefined : { origin, issued, sign: key };
}

/** Member notes by origin, the newest of each. Durable on return; errors: `unavailable`. */
export interface MemberStore {
  newest(origin: string): Promise<{ readonly issued: number; readonly note: string } | undefined>;
  /** Keeps the note if it is newer than the one that is there. */
  keep(origin: string, issued: number, note: string): Promise<void>;
}

/** How this gateway shows who it is. */
export interface OwnMember {
  /** Its member note. */
  readonly note: string;
  /** The value of `Authorization` for one request to the gateway with this origin. */
  readonly token: (audience: string) => string;
}

export interface OwnMemberDeps {
  readonly origin: string;
  readonly signKey: KeyPair;
  readonly log: NoteSigner;
  readonly clock: Clock;
}

export function ownMember(deps: OwnMemberDeps): OwnMember {
  const { origin, signKey, clock } = deps;
  const made = (): { readonly issued: number; readonly note: string; readonly header: string } => {
    const issued = clock.now();
    const note = signMember({ origin, issued, sign: signKey.rawPublicKey }, deps.log);
    return { issued, note, header: encode({ alg: 'EdDSA', typ: 'anamnesis-peer+jwt', member: note }) };
  };
  let current = made();
  return {
    get note() {
      return current.note;
    },
    token(audience) {
      const now = clock.now();
      // The clock was set back after this note: peers would refuse it as one of the future.
      if (now < current.issued) current = made();
      const { header } = current;
      const iat = Math.floor(now / 1000);
      const input = `${header}.${encode({ iss: origin, aud: audience, iat, exp: iat + TOKEN_SECONDS })}`;
      return `Bearer ${input}.${sign(null, Buffer.from(input), signKey.privateKey).toString('base64url')}`;
    },
  };
}

/** Who sent a request, from its `Authorization`. Throws `unauthenticated`, or `forbidden` for a suspended member. */
export type PeerAuthenticator = (authorization: string | undefined) => Promise<string>;

export interface PeerAuthenticatorDeps {
  /** Our own origin: the audience. */
  readonly origin: string;
  readonly trust: Trust;
  readonly members: MemberStore;
  readonly clock: Clock;
}

/** A member note that was verified. */
interface Known {
  readonly member: Member;
  readonly key: KeyObject;
  /** The log keys by which it was. */
  readonly trusted: readonly VerifierKey[];
}

export function peerAuthenticator(deps: PeerAuthenticatorDeps): PeerAuthenticator {
  const known = new Lru<string, Known>(256);
  const memberOf = (note: string): { readonly member: Member; readonly key: KeyObject } => {
    const seen = known.get(note);
    // Another policy file may have other keys for the origin, or none.
    if (seen !== undefined && seen.trusted === deps.trust.logKeys(seen.member.origin)) return seen;
    const member = verifyMember(note, (origin) => deps.trust.logKeys(origin));
    if (member === undefined) throw unauthenticated();
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: member.sign.toString('base64url') },
      format: 'jwk',
    });
    const made = { member, key, trusted: deps.trust.logKeys(member.origin) };
    known.set(note, made);
    return made;
  };
  return async (authorization) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec((authorization ?? '').slice(0, TOKEN_MAX_CHARS))?.[1];
    if (token === undefined) throw unauthenticated();
    const [headerText = '', bodyText = '', signature = ''] = token.split('.');
    const header = decode(headerText);
    if (header?.alg !== 'EdDSA' || header.typ !== 'anamnesis-peer+jwt' || typeof header.member !== 'string')
      throw unauthenticated();
    const { member, key } = memberOf(header.member);
    const bytes = fromBase64url(signature);
    if (bytes === undefined || !verify(null, Buffer.from(`${headerText}.${bodyText}`), key, bytes))
      throw unauthenticated();
    const { iss, aud, iat, exp } = decode(bodyText) ?? {};
    const now = Math.floor(deps.clock.now() / 1000);
    if (iss !== member.origin || aud !== deps.origin || typeof iat !== 'number' || typeof exp !== 'number')
      throw unauthenticated();
    const skew = PEER_CLOCK_SKEW_SECONDS;
    if (exp - iat > TOKEN_SECONDS || iat > now + skew || exp < now - skew) throw unauthenticated();
    // Kept, a note of the future would shut out every note until then, that of a rotated key too.
    if (member.issued > (now + skew) * 1000) throw unauthenticated();
    await checkNewest(deps, member, header.member);
    if (await deps.trust.isSuspendedNow(member.origin))
      throw new GatewayError('forbidden', 'this member is suspended here');
    return member.origin;
  };
}

/**
 * Of two notes with different keys the later issued counts. Processes of one gateway sign notes of their own, at different
 * times and with the same key: those are all good.
 */
async function checkNewest({ members, trust }: PeerAuthenticatorDeps, member: Member, note: string): Promise<void> {
  const newest = await members.newest(member.origin);
  if (newest !== undefined && newest.issued >= member.issued) {
    const key = verifyMember(newest.note, (origin) => trust.logKeys(origin))?.sign;
    if (newest.issued > member.issued && key !== undefined && !key.equals(member.sign)) throw unauthenticated();
    return;
  }
  await members.keep(member.origin, member.issued, note);
}

function unauthenticated(): GatewayError {
  return new GatewayError(
    'unauthenticated',
    'a token of a member gateway is needed, for this gateway, at most a minute old',
  );
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(segment: string): Record<string, unknown> | undefined {
  const bytes = fromBase64url(segment);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
