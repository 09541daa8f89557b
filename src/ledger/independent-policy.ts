/**
 * The second reader of trust policies (C2SP tlog-policy), for `anamnesis verify-receipt`. It shares no code with `policy`: each
 * line becomes a rule over the cosigners that have signed, made of the rules of the lines before it.
 */
import { readNoteKey, type NoteKey } from './independent-note.ts';

/** What a policy file says about the signatures under a checkpoint. */
export interface TrustPolicy {
  /** Keys of the logs; a key's name is the origin. */
  readonly logs: readonly NoteKey[];
  /** Cosigners in the order of the file, by the name that the file gives them. */
  readonly cosigners: ReadonlyMap<string, NoteKey>;
  /** Name of the quorum; `none` asks for no cosignature. */
  readonly quorum: string;
  /** Whether the quorum holds when these cosigners, named as in the file, have signed. */
  readonly isMet: (signed: ReadonlySet<string>) => boolean;
}

type Rule = (signed: ReadonlySet<string>) => boolean;

/** The policy of a file's text, or the number of its first line that is not of the specification (0: there is no quorum). */
export function readTrustPolicy(text: string): TrustPolicy | number {
  const logs: NoteKey[] = [];
  const cosigners = new Map<string, NoteKey>();
  const rules = new Map<string, Rule>([['none', () => true]]);
  const grouped = new Set<string>(['none']);
  const keys = new Set<string>();
  let quorum: string | undefined;

  const isNewKey = (kind: string, { publicKey }: NoteKey): boolean => {
    const id = `${kind} ${publicKey.toString('hex')}`;
    return keys.size < keys.add(id).size;
  };
  const groupRule = (threshold: string, members: readonly string[]): Rule | undefined => {
    const parts = members.map((member) => rules.get(member)).filter((rule) => rule !== undefined);
    const needed = threshold === 'any' ? 1 : threshold === 'all' ? members.length : Number(threshold);
    const isWhole = /^(any|all|[1-9]\d*)$/.test(threshold) && needed >= 1 && needed <= members.length;
    const areNew = members.every((member) => grouped.size < grouped.add(member).size);
    if (parts.length !== members.length || !isWhole || !areNew) return undefined;
    return (signed) => parts.filter((rule) => rule(signed)).length >= needed;
  };
  const take = (fields: readonly string[]): boolean => {
    const [word, first = '', second = '', ...rest] = fields;
    if (word === 'log') {
      const key = readNoteKey(first);
      if (key === undefined || key.type === 4 || rest.length > 0 || !isNewKey('log', key)) return false;
      return logs.push(key) > 0;
    }
    if (word === 'witness') {
      const key = readNoteKey(second);
      if (key === undefined || key.type === 1 || rest.length > 1 || rules.has(first) || !isNewKey('witness', key))
        return false;
      cosigners.set(first, key);
      rules.set(first, (signed) => signed.has(first));
      return true;
    }
    if (word === 'group') {
      const rule = rules.has(first) ? undefined : groupRule(second, rest);
      if (rule !== undefined) rules.set(first, rule);
      return rule !== undefined;
    }
    if (word !== 'quorum' || quorum !== undefined || second !== '' || !rules.has(first)) return false;
    quorum = first;
    return true;
  };

  const wrong = text.split('\n').findIndex((line) => {
    // "The only allowed control characters are tab and newline."
    // eslint-disable-next-line no-control-regex
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) return true;
    const fields = line.split(/[ \t]+/).filter((field) => field !== '');
    return fields.length > 0 && !fields[0].startsWith('#') && !take(fields);
  });
  const rule = quorum === undefined ? undefined : rules.get(quorum);
  if (wrong >= 0 || quorum === undefined || rule === undefined) return wrong + 1;
  return { logs, cosigners, quorum, isMet: rule };
}
