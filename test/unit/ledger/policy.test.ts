import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cosignerKey } from '../../../src/ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../../../src/ledger/note.ts';
import {
  isSatisfied,
  meetsEveryQuorum,
  mirrorsOf,
  parsePolicy,
  witnessesOf,
  withoutCosignersOf,
  type Policy,
} from '../../../src/ledger/policy.ts';
import { noteSigner } from './support.ts';

const logVkey = (name: string): string => {
  const signer = noteSigner(name);
  return formatVkey(verifierKey(name, KEY_ED25519, signer.rawPublicKey));
};
const witnessVkey = (name: string): string => formatVkey(cosignerKey(noteSigner(name)));
const [x1, x2, x3, y1, y2, y3] = ['x1', 'x2', 'x3', 'y1', 'y2', 'y3'].map((name) => witnessVkey(`${name}.example`));
const LOG = logVkey('log.example/a');

/** The example of the specification, with comments and blanks. */
const EXAMPLE = `# who we trust
log ${LOG} https://log.example/a/

witness X1 ${x1}
witness\tX2  ${x2}   https://x2.example/w
  witness X3 ${x3}
group X-witnesses 2 X1 X2 X3
witness Y1 ${y1}
witness Y2 ${y2}
witness Y3 ${y3}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`;

const parse = (text: string): Policy => {
  const parsed = parsePolicy(Buffer.from(text));
  if ('errors' in parsed) throw new Error(parsed.errors.join('; '));
  return parsed.policy;
};
const errors = (text: string): readonly string[] => {
  const parsed = parsePolicy(Buffer.from(text));
  return 'errors' in parsed ? parsed.errors : [];
};

describe('tlog-policy', () => {
  it('reads names and URLs beyond ASCII as they are written, and any octets in names and comments', () => {
    const octets = (...bytes: number[]): string => Buffer.from(bytes).toString('latin1');
    const utf8 = (text: string): string => Buffer.from(text).toString('latin1');
    const file = `# ${octets(0xff, 0x80)}
witness ${utf8('Zürich')} ${x1} ${utf8('https://zürich.example/w/')}
witness ${octets(0xff)} ${x2}
witness ${octets(0xfe)} ${x3}
group ${utf8('\u212a')} 2 ${utf8('Zürich')} ${octets(0xff)}
group K any ${octets(0xfe)}
quorum ${utf8('\u212a')}
`;
    const parsed = parsePolicy(Buffer.from(file, 'latin1'));
    if ('errors' in parsed) throw new Error(parsed.errors.join('; '));
    const [first] = [...parsed.policy.witnesses.values()];
    expect([first.name, first.url]).toEqual(['Zürich', 'https://zürich.example/w']);
    expect([parsed.policy.witnesses.size, parsed.policy.groups.size]).toEqual([3, 2]);
    const has = (...keys: string[]): boolean =>
      isSatisfied(parsed.policy, parsed.policy.quorum, ({ key }) => keys.includes(formatVkey(key)));
    expect([has(x1, x2), has(x1, x3)]).toEqual([true, false]);
  });

  it('reads the example of the specification', () => {
    const policy = parse(EXAMPLE);
    expect(policy.logs.map(({ key, url }) => [key.name, url])).toEqual([['log.example/a', 'https://log.example/a']]);
    expect([...policy.witnesses.keys()]).toEqual(['X1', 'X2', 'X3', 'Y1', 'Y2', 'Y3']);
    expect(policy.witnesses.get('X2')?.url).toBe('https://x2.example/w');
    const by = (...names: string[]): boolean => isSatisfied(policy, policy.quorum, ({ name }) => names.includes(name));
    expect(by('X1', 'X3', 'Y2')).toBe(true);
    expect(by('X1', 'X2', 'X3')).toBe(false);
    expect(by('X1', 'Y1', 'Y2', 'Y3')).toBe(false);
  });

  it('never loses a quorum by one more cosigner; asked and not asked cannot both be too few', () => {
    const policy = parse(EXAMPLE);
    const names = [...policy.witnesses.keys()];
    fc.assert(
      fc.property(fc.subarray(names), fc.constantFrom(...names), (some, more) => {
        const has = (set: readonly string[]) => isSatisfied(policy, policy.quorum, ({ name }) => set.includes(name));
        expect(has(some) && !has([...some, more])).toBe(false);
        const meets = meetsEveryQuorum(policy, policy.quorum, ({ name }) => some.includes(name));
        expect(meets).toBe(!has(names.filter((name) => !some.includes(name))));
      }),
    );
  });

  it('asks for n - k + 1 of k of n', () => {
    const policy = parse(`witness A ${x1}\nwitness B ${x2}\nwitness C ${x3}\ngroup G 2 A B C\nquorum G\n`);
    const asked = (...names: string[]): boolean => meetsEveryQuorum(policy, 'G', ({ name }) => names.includes(name));
    expect(asked('A')).toBe(false);
    expect(asked('A', 'C')).toBe(true);
    expect(meetsEveryQuorum(policy, 'none', () => true)).toBe(false);
  });

  it('knows mirrors by the group of that name', () => {
    const policy = parse(
      `witness m ${x1} https://m.example\nwitness w ${x2}\ngroup mirrors any m\ngroup both all mirrors w\nquorum both\n`,
    );
    expect(mirrorsOf(policy).map(({ name }) => name)).toEqual(['m']);
    expect(witnessesOf(policy).map(({ name }) => name)).toEqual(['w']);
    expect(mirrorsOf(parse('quorum none\n'))).toEqual([]);
  });

  it('keeps names apart octet by octet, and reads keys as UTF-8', () => {
    const vkey = witnessVkey('zürich.example');
    const policy = parse(`witness Zürich ${vkey}\nquorum Zürich\n`);
    expect([...policy.witnesses.values()][0]?.key.name).toBe('zürich.example');
    expect(isSatisfied(policy, policy.quorum, () => true)).toBe(true);
  });

  it.each([
    ['', 'there is no quorum line'],
    ['quorum none\nquorum none\n', 'line 2: there is a quorum line already'],
    ['quorum A\n', 'line 1: the quorum is defined on no line before this one'],
    [`log ${x1}\nquorum none\n`, "line 1: this is a cosigner's key, not a log's"],
    [`witness A ${LOG}\nquorum A\n`, "line 1: this is a log's key, not a cosigner's"],
    [`witness A ${x1}\nwitness B ${x1}\nquorum A\n`, 'line 2: this witness key is there already'],
    [`log ${LOG}\nlog ${LOG}\nquorum none\n`, 'line 2: this log key is there already'],
    [`witness none ${x1}\nquorum none\n`, 'line 1: this name is taken'],
    [`witness A ${x1}\ngroup G 2 A\nquorum G\n`, 'line 2: the threshold is all, any or a number from 1 to 1'],
    [`witness A ${x1}\ngroup G 0 A\nquorum A\n`, 'line 2: the threshold is all, any or a number from 1 to 1'],
    [`group G any A\nquorum none\n`, 'line 1: a member is defined on no line before this one'],
    [`group G any none\nquorum none\n`, 'line 1: a member is defined on no line before this one'],
    [`witness A ${x1}\ngroup G 1 A A\nquorum G\n`, 'line 2: a member is listed twice, or in another group already'],
    [
      `witness A ${x1}\ngroup G any A\ngroup H any A\nquorum H\n`,
      'line 3: a member is listed twice, or in another group already',
    ],
    ['trust everyone\n', 'line 1: a line begins with log, witness, group or quorum'],
    ['quorum none\r\n', 'line 1: control characters are not allowed'],
    ['log nonsense\nwitness A nonsense\n', 'line 1: the vkey is malformed'],
    ['log\n', 'line 1: expected: log <vkey> [<url>]'],
  ])('refuses %j', (text, error) => {
    expect(errors(text)).toContain(error);
  });

  it('answers garbage with errors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const parsed = parsePolicy(Buffer.from(bytes));
        expect('errors' in parsed ? parsed.errors.length : 1).toBeGreaterThan(0);
      }),
    );
  });
});

describe('one file for all members', () => {
  const members = ['a', 'b', 'c'];
  const file = (witnesses: string): Policy =>
    parse(
      [
        `log ${LOG}`,
        ...members.map((name) => `witness ${name}w ${witnessVkey(`${name}.example/witness`)}`),
        ...members.map((name) => `witness ${name}m ${witnessVkey(`${name}.example/mirror`)}`),
        'group mirrors any am bm cm',
        `group witnesses ${witnesses}`,
        'group accepted all mirrors witnesses',
        'quorum accepted',
        '',
      ].join('\n'),
    );
  const shared = file('2 aw bw cw');
  const own = withoutCosignersOf(shared, 'a.example');
  const by =
    (...names: string[]) =>
    ({ name }: { readonly name: string }): boolean =>
      names.includes(name);

  it('what a gateway holds or says itself counts for nothing', () => {
    expect(isSatisfied(shared, 'mirrors', by('am'))).toBe(true);
    expect(isSatisfied(own, 'mirrors', by('am'))).toBe(false);
    expect(isSatisfied(own, 'accepted', by('am', 'aw', 'bw', 'bm'))).toBe(false);
    const alone = withoutCosignersOf(file('any aw'), 'a.example');
    expect(isSatisfied(alone, 'witnesses', by('aw', 'bw', 'cw'))).toBe(false);
    expect([...mirrorsOf(own), ...witnessesOf(own)].map(({ name }) => name)).toEqual(['bm', 'cm', 'bw', 'cw']);
  });

  it('a group asks as many of the others as it asked for, or all of them', () => {
    expect(isSatisfied(own, 'mirrors', by('bm'))).toBe(true);
    expect(isSatisfied(own, 'witnesses', by('bw'))).toBe(false);
    expect(isSatisfied(own, 'witnesses', by('bw', 'cw'))).toBe(true);
    const every = withoutCosignersOf(file('all aw bw cw'), 'a.example');
    expect(isSatisfied(every, 'witnesses', by('bw', 'cw'))).toBe(true);
  });

  it('a policy that does not name the gateway stays what it is', () => {
    expect(withoutCosignersOf(shared, 'd.example')).toBe(shared);
  });
});
