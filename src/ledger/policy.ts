/**
 * Trust policies (C2SP tlog-policy): which logs and cosigners are known, and which sets of cosigners make a quorum. Parses
 * the file, with every error and its line; evaluates groups. The one convention of ours, within the format: the members of a
 * group named `mirrors` are mirrors, all other cosigners are witnesses.
 */
import { KEY_COSIGNATURE_V1, parseVkey, type VerifierKey } from './note.ts';

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: VerifierKey;
  /** Prefix of the log (tlog-tiles), without a trailing slash. */
  readonly url: string | undefined;
}

export interface PolicyWitness {
  /** Means something only inside the file; as a person reads it, while the maps of a policy have its octets as Latin-1. */
  readonly name: string;
  readonly key: VerifierKey;
  /** Submission prefix (tlog-witness, tlog-mirror), without a trailing slash. */
  readonly url: string | undefined;
}

interface PolicyGroup {
  readonly threshold: number;
  /** Names of witnesses or of groups defined before. */
  readonly members: readonly string[];
}

export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: ReadonlyMap<string, PolicyWitness>;
  readonly groups: ReadonlyMap<string, PolicyGroup>;
  /** A witness, a group, or `none`. */
  readonly quorum: string;
}

export type ParsedPolicy = { readonly policy: Policy } | { readonly errors: readonly string[] };

/** The group whose members are mirrors. */
export const MIRRORS = 'mirrors';
/** The quorum that asks for nothing. */
export const NO_QUORUM = 'none';
/** The policy of a gateway that knows nobody. */
export const EMPTY_POLICY: Policy = { logs: [], witnesses: new Map(), groups: new Map(), quorum: NO_QUORUM };

/** Bytes of a policy file, and lines of each kind: the specification wants at least 32. */
const MAX_BYTES = 1024 * 1024;
const MAX_ENTRIES = 1024;

/** Reads a policy file. All errors at once, each `line N: what`; never a key or an URL in them. */
export function parsePolicy(file: Buffer): ParsedPolicy {
  if (file.length > MAX_BYTES) return { errors: [`the policy has more than ${MAX_BYTES} bytes`] };
  const reader = new PolicyReader();
  // "The policy file is treated as a file of octets": Latin-1 keeps them apart one by one.
  const lines = file.toString('latin1').split('\n');
  lines.forEach((line, at) => reader.line(line, at + 1));
  return reader.end();
}

class PolicyReader {
  readonly #errors: string[] = [];
  readonly #logs: PolicyLog[] = [];
  readonly #witnesses = new Map<string, PolicyWitness>();
  readonly #groups = new Map<string, PolicyGroup>();
  readonly #members = new Set<string>();
  readonly #keys = new Set<string>();
  #quorum: string | undefined;

  line(text: string, number: number): void {
    const problem = this.#read(text);
    if (problem !== undefined) this.#errors.push(`line ${number}: ${problem}`);
  }

  end(): ParsedPolicy {
    if (this.#quorum === undefined && this.#errors.length === 0) this.#errors.push('there is no quorum line');
    if (this.#errors.length > 0) return { errors: this.#errors };
    return {
      policy: {
        logs: this.#logs,
        witnesses: this.#witnesses,
        groups: this.#groups,
        quorum: this.#quorum ?? NO_QUORUM,
      },
    };
  }

  /** What is wrong with a line; undefined when it is fine. */
  #read(text: string): string | undefined {
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) return 'control characters are not allowed';
    const [keyword = '', ...fields] = text.split(/[ \t]+/).filter((field) => field !== '');
    if (keyword === '' || keyword.startsWith('#')) return undefined;
    if (this.#logs.length + this.#witnesses.size + this.#groups.size >= MAX_ENTRIES) return 'too many entries';
    switch (keyword) {
      case 'log':
        return this.#log(fields);
      case 'witness':
        return this.#witness(fields);
      case 'group':
        return this.#group(fields);
      case 'quorum':
        return this.#setQuorum(fields);
      default:
        return 'a line begins with log, witness, group or quorum';
    }
  }

  #log([vkey = '', url, ...more]: readonly string[]): string | undefined {
    const key = parseKey(vkey);
    if (more.length > 0 || vkey === '') return 'expected: log <vkey> [<url>]';
    if (key === undefined) return 'the vkey is malformed';
    if (key.type === KEY_COSIGNATURE_V1) return "this is a cosigner's key, not a log's";
    if (!this.#isNew('log', key)) return 'this log key is there already';
    this.#logs.push({ key, url: prefix(url) });
    return undefined;
  }

  #witness([name = '', vkey = '', url, ...more]: readonly string[]): string | undefined {
    const key = parseKey(vkey);
    if (more.length > 0 || vkey === '') return 'expected: witness <name> <vkey> [<url>]';
    if (key === undefined) return 'the vkey is malformed';
    if (key.type === 0x01) return "this is a log's key, not a cosigner's";
    if (this.#isDefined(name)) return 'this name is taken';
    if (!this.#isNew('witness', key)) return 'this witness key is there already';
    this.#witnesses.set(name, { name: utf8(name), key, url: prefix(url) });
    return undefined;
  }

  #group([name = '', rule = '', ...members]: readonly string[]): string | undefined {
    if (members.length === 0) return 'expected: group <name> all|any|<k> <name>...';
    if (this.#isDefined(name)) return 'this name is taken';
    const threshold = rule === 'all' ? members.length : rule === 'any' ? 1 : decimal(rule);
    if (threshold === undefined || threshold < 1 || threshold > members.length) {
      return `the threshold is all, any or a number from 1 to ${members.length}`;
    }
    for (const member of members) {
      if (member === NO_QUORUM || !this.#isDefined(member)) return 'a member is defined on no line before this one';
      // "Each defined name can be listed as a group member at most once."
      if (this.#members.has(member)) return 'a member is listed twice, or in another group already';
      this.#members.add(member);
    }
    this.#groups.set(name, { threshold, members });
    return undefined;
  }

  #setQuorum([name = '', ...more]: readonly string[]): string | undefined {
    if (name === '' || more.length > 0) return 'expected: quorum <name>|none';
    if (this.#quorum !== undefined) return 'there is a quorum line already';
    if (!this.#isDefined(name)) return 'the quorum is defined on no line before this one';
    this.#quorum = name;
    return undefined;
  }

  #isDefined(name: string): boolean {
    return name === NO_QUORUM || this.#witnesses.has(name) || this.#groups.has(name);
  }

  /** "Two vkeys are considered duplicate if they wrap the same underlying public key." */
  #isNew(kind: 'log' | 'witness', key: VerifierKey): boolean {
    const id = `${kind} ${key.publicKey.toString('base64')}`;
    if (this.#keys.has(id)) return false;
    this.#keys.add(id);
    return true;
  }
}

/** Key names and URLs ("international domain names") are UTF-8 inside a file of octets. */
function utf8(octets: string): string {
  return Buffer.from(octets, 'latin1').toString();
}

function parseKey(octets: string): VerifierKey | undefined {
  return parseVkey(utf8(octets));
}

function prefix(url: string | undefined): string | undefined {
  return url === undefined ? undefined : utf8(url).replace(/\/+$/, '');
}

function decimal(text: string): number | undefined {
  return /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : undefined;
}

/** Whether a witness or group (or `none`) has witnessed, given which witnesses have. */
export function isSatisfied(policy: Policy, name: string, has: (witness: PolicyWitness) => boolean): boolean {
  if (name === NO_QUORUM) return true;
  const witness = policy.witnesses.get(name);
  if (witness !== undefined) return has(witness);
  const group = policy.groups.get(name);
  if (group === undefined) return false;
  return group.members.filter((member) => isSatisfied(policy, member, has)).length >= group.threshold;
}

/** All witnesses that a witness or group is made of. */
function witnessesIn(policy: Policy, name: string): readonly PolicyWitness[] {
  const witness = policy.witnesses.get(name);
  if (witness !== undefined) return [witness];
  return (policy.groups.get(name)?.members ?? []).flatMap((member) => witnessesIn(policy, member));
}

/** The cosigners that are mirrors: those in the group `mirrors`. */
export function mirrorsOf(policy: Policy): readonly PolicyWitness[] {
  return witnessesIn(policy, MIRRORS);
}

/** The cosigners that are not mirrors. */
export function witnessesOf(policy: Policy): readonly PolicyWitness[] {
  const mirrors = new Set(mirrorsOf(policy));
  return [...policy.witnesses.values()].filter((witness) => !mirrors.has(witness));
}

/**
 * True when those who were asked are enough to know what any quorum has seen: the others alone cannot satisfy `name`, so
 * every quorum holds at least one of the asked (of k of n: n - k + 1 of them).
 */
export function meetsEveryQuorum(policy: Policy, name: string, asked: (witness: PolicyWitness) => boolean): boolean {
  return !isSatisfied(policy, name, (witness) => !asked(witness));
}

/**
 * The policy as the gateway `origin` applies it: without its own witness and mirror, in which a file for all members names everybody. What
 * it says of itself proves nothing, and what it keeps for itself is lost with it. A group asks for as many of the others as it asked for,
 * or for all of them; one that has no others left is never satisfied.
 */
export function withoutCosignersOf(policy: Policy, origin: string): Policy {
  const isOwn = ({ key }: PolicyWitness): boolean =>
    key.name === `${origin}/witness` || key.name === `${origin}/mirror`;
  const own = new Set([...policy.witnesses].flatMap(([name, witness]) => (isOwn(witness) ? [name] : [])));
  if (own.size === 0) return policy;
  const groups = [...policy.groups].map(([name, { threshold, members }]): [string, PolicyGroup] => {
    const others = members.filter((member) => !own.has(member));
    return [name, { threshold: Math.max(1, Math.min(threshold, others.length)), members: others }];
  });
  const witnesses = new Map([...policy.witnesses].filter(([name]) => !own.has(name)));
  return { ...policy, witnesses, groups: new Map(groups) };
}
