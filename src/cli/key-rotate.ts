/**
 * `anamnesis keys rotate ROLE`: another key for a role. Works beside running gateways, which stop writing at the moment of the
 * change and take the new keys at their next start. Every step is durable before the next: after a crash the same command
 * goes on where it was.
 */
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { silentLog } from '../core/log.ts';
import { systemRandom } from '../core/random.ts';
import { TOKEN_LIFE_MS } from '../identity/sign-token.ts';
import type { KeyProvider } from '../keys/key-provider.ts';
import { ROTATABLE_ROLES, type KeySet, type RotatableRole } from '../keys/key-set.ts';
import { beginRotation, finishRotation, withoutOldMasters } from '../keys/rotate.ts';
import { renewWraps } from '../services/renew-wraps.ts';
import { anchorRotation } from '../services/rotate-key.ts';
import { commitStore } from '../storage/pg/commit-store.ts';
import { logFingerprint, openLog } from '../storage/pg/open-log.ts';
import { keyStore, prepareStore } from '../storage/pg/prepare-store.ts';
import { wrapStore } from '../storage/pg/wrap-store.ts';
import { openWriter } from '../write/open-writer.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { keyProvider } from './keys.ts';
import { progressBar } from './progress.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';

export async function rotate(args: readonly string[], context: CliContext): Promise<number> {
  const [name, ...more] = args;
  const role = ROTATABLE_ROLES.find((known) => known === name);
  if (name === 'log') {
    throw new UsageError(
      'the log key cannot be replaced: a log under another key is another log, with an origin of its own',
    );
  }
  if (role === undefined || more.length > 0) throw new UsageError(`say keys rotate ${ROTATABLE_ROLES.join('|')}`);
  const config = readSettings(context);
  const provider = keyProvider(config);
  const ledger = await openStoredLedger(config, { admin: true });
  try {
    const { keySet } = await provider.load({ create: false });
    await rotateRole({ config, provider, ledger, context }, keySet, role);
    return EXIT.ok;
  } finally {
    await ledger.close();
  }
}

interface Rotation {
  readonly config: Config;
  readonly provider: KeyProvider;
  readonly ledger: StoredLedger;
  readonly context: CliContext;
}

async function rotateRole(rotation: Rotation, loaded: KeySet, role: RotatableRole): Promise<void> {
  const { context } = rotation;
  let keySet = await settle(rotation, loaded, role);
  if (keySet === undefined) return;
  if (role !== 'master' || keySet.history.master.length === 0) {
    keySet = await replaceKey(rotation, keySet, role);
    context.out(`The key of ${role} is another one from here on; the ledger says so.`);
    context.out('Running gateways have stopped writing: start them again. Make a new recovery kit.');
  }
  if (role === 'master') await renewAll(rotation, keySet);
}

/** Ends what an interrupted rotation has left. Undefined: the asked rotation was the interrupted one, and is done now. */
async function settle(
  { provider, ledger, context }: Rotation,
  loaded: KeySet,
  role: RotatableRole,
): Promise<KeySet | undefined> {
  const { pending } = loaded;
  if (pending === undefined) return loaded;
  const next = finishRotation(loaded, TOKEN_LIFE_MS);
  if ((await logFingerprint(ledger.pool)) === next.fingerprint) {
    await provider.save(next, 'replace');
    context.out(`The interrupted rotation of ${pending.role} is finished.`);
    return pending.role === role && role !== 'master' ? undefined : next;
  }
  if (pending.role === role) return loaded;
  throw new GatewayError(
    'conflict',
    `a rotation of ${pending.role} has begun: run \`keys rotate ${pending.role}\` first`,
  );
}

async function replaceKey(
  { config, provider, ledger }: Rotation,
  keySet: KeySet,
  role: RotatableRole,
): Promise<KeySet> {
  const begun = keySet.pending === undefined ? beginRotation(keySet, role, systemClock.now(), systemRandom) : keySet;
  await provider.save(begun, 'replace');
  const next = finishRotation(begun, TOKEN_LIFE_MS);
  const store = commitStore(ledger.pool, { fingerprint: begun.fingerprint, onFenced: () => {} });
  await anchorRotation(store, begun, config.origin, next.fingerprint);
  await provider.save(next, 'replace');
  return next;
}

async function renewAll({ config, provider, ledger, context }: Rotation, keySet: KeySet): Promise<void> {
  const { pool } = ledger;
  const { secret } = await openLog(pool, config.origin, keySet.fingerprint);
  const { keyring, committer } = await openWriter({
    origin: config.origin,
    keys: keySet,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    prepareStore: prepareStore(pool),
    keyStore: keyStore(pool),
    commitStore: commitStore(pool, { fingerprint: keySet.fingerprint, onFenced: () => {} }),
    sealedSecret: secret,
    onCommitted: () => {},
  });
  const { rows } = await pool.query<{ n: number }>(
    'select (select count(*) from lockbox) + (select count(*) from patient) as n',
  );
  const bar = progressBar(process.stderr, rows[0].n, () => systemClock.now());
  const renew = (): ReturnType<typeof renewWraps> =>
    renewWraps({
      wraps: wrapStore(pool),
      keyring,
      committer,
      master: keySet.master,
      retired: keySet.history.master,
      progress: ({ seen }) => bar.update(Math.min(seen, rows[0].n), 'keys looked at'),
    });
  let total = 0;
  try {
    // A wrap that a process with the old keys made in its last commit is found by another look, which must find none.
    for (;;) {
      const { renewed } = await renew();
      if (renewed === 0) break;
      total += renewed;
    }
  } finally {
    bar.end();
  }
  await provider.save(withoutOldMasters(keySet), 'replace');
  context.out(`${total} keys are sealed under the new master; the old one is destroyed in the key file.`);
  context.out(
    'Destroy its copies too (older recovery kits, backups of the key file): what they open is in every old backup.',
  );
}
