/**
 * `anamnesis verify-receipt FILE`: checks a receipt offline, without a gateway, a database or a key file, by the independent
 * implementation. Says of each thing whether it is right, wrong, or open for want of a key. Exit code 0 only when nothing
 * is wrong and the way from the document to a signed checkpoint is whole.
 */
import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fromBase64url } from '../core/bytes.ts';
import { isEd25519, readNoteKey, type NoteKey } from '../ledger/independent-note.ts';
import { readTrustPolicy, type TrustPolicy } from '../ledger/independent-policy.ts';
import { checkReceiptText } from '../ledger/independent-receipt.ts';
import { nobleEd25519 } from '../ledger/signature-check.ts';
import { EXIT, joinOptionValues, UsageError, type CliContext, type Command } from './command.ts';
import { openReceipt } from './open-receipt.ts';

/** Without one of these a receipt shows nothing; with a policy its quorum is one of them. */
const NEEDED = ['inclusion', 'checkpoint'];
const MARK = { ok: 'ok   ', wrong: 'WRONG', open: 'open ' } as const;

export const verifyReceipt: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: joinOptionValues(args, ['vkey', 'sign-key', 'cosigner']),
    allowPositionals: true,
    options: {
      vkey: { type: 'string' },
      'sign-key': { type: 'string', multiple: true },
      cosigner: { type: 'string', multiple: true },
      policy: { type: 'string' },
      document: { type: 'string' },
      'lockbox-key': { type: 'string' },
    },
  });
  if (positionals.length !== 1) throw new UsageError('verify-receipt takes one receipt; see `verify-receipt --help`');
  const read = (path: string): Buffer => readInput(context, path);
  const policy = values.policy === undefined ? undefined : trustPolicy(read(values.policy));
  const receipt = read(positionals[0]);
  const report = checkReceiptText(
    // Bytes that are not UTF-8 would be read as what they are not.
    isUtf8(receipt) ? receipt.toString() : '',
    {
      log: values.vkey === undefined ? undefined : noteKey(context, values.vkey),
      sign: (values['sign-key'] ?? []).map((text) => signKey(context, text)),
      cosigners: (values.cosigner ?? []).map((text) => noteKey(context, text)),
      policy,
    },
    nobleEd25519,
    values.document === undefined ? undefined : read(values.document),
  );
  for (const { check, outcome, detail } of report.checks) {
    context.out(`${MARK[outcome]} ${check.padEnd(12)} ${detail}`);
  }
  const needed = policy === undefined ? NEEDED : [...NEEDED, 'quorum'];
  const whole = needed.every((name) => report.checks.some(({ check, outcome }) => check === name && outcome === 'ok'));
  const wrong = report.checks.some(({ outcome }) => outcome === 'wrong');
  let opened = true;
  if (values['lockbox-key'] !== undefined) {
    const key = fromBase64url(read(values['lockbox-key']).toString('utf8').trim());
    const line = key === undefined ? undefined : await openReceipt(report.contents, key);
    opened = line !== undefined;
    context.out(
      `${opened ? MARK.ok : MARK.wrong} ${'opened'.padEnd(12)} ${opened ? 'this is the record:' : 'the key does not open the group'}`,
    );
    if (line !== undefined) context.out(line);
  }
  context.out(
    wrong || !opened ? 'The receipt is WRONG.' : whole ? 'The receipt is right.' : 'The receipt is not enough yet.',
  );
  return whole && !wrong && opened ? EXIT.ok : EXIT.failed;
};

function readInput({ cwd }: CliContext, path: string): Buffer {
  try {
    return readFileSync(resolve(cwd, path));
  } catch {
    throw new UsageError(`the file ${path} cannot be read`);
  }
}

/** The value itself, or the first line of the file of this name. */
function valueOf(context: CliContext, text: string): string {
  const path = resolve(context.cwd, text);
  return existsSync(path) ? readInput(context, path).toString('utf8').split(/\r?\n/, 1)[0] : text;
}

function trustPolicy(file: Buffer): TrustPolicy {
  const policy = readTrustPolicy(file.toString('utf8'));
  if (typeof policy !== 'number') return policy;
  throw new UsageError(
    policy === 0
      ? 'the policy file has no quorum line'
      : `line ${policy} of the policy file is not of C2SP tlog-policy`,
  );
}

function noteKey(context: CliContext, text: string): NoteKey {
  const key = readNoteKey(valueOf(context, text));
  if (key === undefined || !isEd25519(key))
    throw new UsageError('a vkey reads NAME+8 HEX DIGITS+BASE64 (Ed25519); give it, or a file that holds it');
  return key;
}

function signKey(context: CliContext, text: string): Buffer {
  const key = fromBase64url(valueOf(context, text));
  if (key?.length !== 32)
    throw new UsageError('a sign key is 32 bytes in base64url, as `anamnesis keys show` prints it');
  return key;
}
