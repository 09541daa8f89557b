/**
 * Suspension of a member (docs/replication.md): a signed statement by a gateway about an origin, to suspend it or to take that
 * back. It takes effect where the local policy's quorum of witnesses stands behind it: each gateway signs with its witness
 * key (type 0x01; the first line keeps statements apart from checkpoints), and the policy's rule for checkpoints is the rule
 * here. The own statement of this gateway always takes effect here.
 */
import {
  formatNote,
  KEY_ED25519,
  parseNote,
  signNote,
  verifierKey,
  verifyNote,
  type NoteSigner,
  type VerifierKey,
} from '../ledger/note.ts';
import { isKeyName } from '../ledger/note.ts';
import { isSatisfied, mirrorsOf, type Policy, type PolicyWitness } from '../ledger/policy.ts';
import { parseSize } from '../ledger/witness-message.ts';

const HEADER = 'anamnesis suspension v1';

export interface SuspensionStatement {
  /** Name of the witness that signed it. */
  readonly issuer: string;
  /** Origin that it is about. */
  readonly subject: string;
  /** Milliseconds since 1970; of two statements of one issuer about one subject the later counts. */
  readonly issued: number;
  readonly suspended: boolean;
}

export function signSuspension(statement: Omit<SuspensionStatement, 'issuer'>, witness: NoteSigner): string {
  const { subject, issued, suspended } = statement;
  return signNote(`${HEADER}\n${subject}\n${issued}\n${suspended ? 'suspend' : 'restore'}\n`, witness);
}

/**
 * The statement if it is signed by exactly one of these witnesses, and the note with that signature alone; undefined when it is
 * malformed or is not.
 */
export function verifySuspension(
  note: string,
  witnesses: readonly VerifierKey[],
): { readonly statement: SuspensionStatement; readonly note: string } | undefined {
  const parsed = parseNote(note);
  const keys = witnesses.map(({ name, publicKey }) => verifierKey(name, KEY_ED25519, publicKey));
  const [signer, ...others] = (parsed && verifyNote(parsed, keys)) ?? [];
  if (parsed === undefined || signer === undefined || others.length > 0) return undefined;
  const signatures = parsed.signatures.filter(({ name, id }) => name === signer.name && id === signer.id);
  const own = formatNote({ text: parsed.text, signatures: signatures.slice(0, 1) });
  const statement = readSuspension(own);
  return statement && { statement, note: own };
}

/**
 * What a statement says; its signature is not looked at. For statements in documents of the own log: the signature was checked when
 * the statement was taken, by the key of that time, and a suspension must not lapse because its issuer has another key by now.
 */
export function readSuspension(note: string): SuspensionStatement | undefined {
  const parsed = parseNote(note);
  const [signature, ...others] = parsed?.signatures ?? [];
  const [header, subject = '', issuedText = '', verb = '', end, ...more] = parsed?.text.split('\n') ?? [];
  const issued = parseSize(issuedText);
  if (signature === undefined || others.length > 0 || header !== HEADER || end !== '' || more.length > 0)
    return undefined;
  if (issued === undefined || !isKeyName(subject) || (verb !== 'suspend' && verb !== 'restore')) return undefined;
  return { issuer: signature.name, subject, issued, suspended: verb === 'suspend' };
}

/** Statements that are anchored in the own log. Errors: `unavailable`. */
export interface SuspensionStore {
  /** Every statement with the document that holds it, in the order in which they were anchored. */
  all(): Promise<readonly { readonly statement: string; readonly document: Buffer | undefined }[]>;
  /** A text that is another one whenever a statement was added. */
  mark(): Promise<string>;
  /** Anchors a statement. Durable on return. */
  anchor(statement: string): Promise<void>;
}

/** The statements that count: of each issuer about each subject the one that was issued last. */
export function newestStatements<S extends SuspensionStatement>(statements: readonly S[]): readonly S[] {
  const newest = new Map<string, S>();
  for (const statement of statements) {
    const key = `${statement.issuer}\n${statement.subject}`;
    if ((newest.get(key)?.issued ?? -1) < statement.issued) newest.set(key, statement);
  }
  return [...newest.values()];
}

/**
 * The origins that are suspended here: those that this gateway itself (`ownWitness`, its witness's name) suspends, and those
 * for which the witnesses of the policy's quorum stand. Without a quorum of witnesses only the own word counts.
 */
export function suspendedOrigins(
  policy: Policy,
  ownWitness: string,
  statements: readonly SuspensionStatement[],
): ReadonlySet<string> {
  const against = new Map<string, Set<string>>();
  for (const { issuer, subject, suspended } of statements) {
    if (suspended) against.set(subject, (against.get(subject) ?? new Set()).add(issuer));
  }
  // Mirrors say nothing about members: what the rule asks of them counts as given, unless it asks for nothing else.
  const mirrors = new Set(mirrorsOf(policy));
  const isMirror = (cosigner: PolicyWitness): boolean => mirrors.has(cosigner);
  const byWitnesses = !isSatisfied(policy, policy.quorum, isMirror);
  const found = new Set<string>();
  for (const [subject, issuers] of against) {
    const quorum =
      byWitnesses &&
      isSatisfied(policy, policy.quorum, (cosigner) => isMirror(cosigner) || issuers.has(cosigner.key.name));
    if (issuers.has(ownWitness) || quorum) found.add(subject);
  }
  return found;
}
