/**
 * `anamnesis keys rotate ROLE`: another key for a role. Works beside running gateways, which stop writing at the moment of the
 * change and take the new keys at their next start. Every step is durable before the next: after a crash the same command
 * goes on where it was. The wraps under an old master are renewed by this command, or by the gateways once they run again.
 */
import { parseArgs } from 'node:util';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import { TOKEN_LIFE_MS } from '../identity/sign-token.ts';
import type { KeyProvider } from '../keys/key-provider.ts';
import { ROTATABLE_ROLES, type KeySet, type RotatableRole } from '../keys/key-set.ts';
import { beginRotation, finishRotation, withoutOldMasters } from '../keys/rotate.ts';
import { renewWraps } from '../services/renew-wraps.ts';
import { anchorRotation } from '../services/rotate-key.ts';
import { RENEWAL_LOCK, tryAlone } from '../storage/pg/leader.ts';
import { logFingerprint } from '../storage/pg/open-log.ts';
import { countWraps, wrapStore } from '../storage/pg/wrap-store.ts';
import { EXIT, UsageError, type CliContext } from './command.ts';
import { keepRestoreRule } from './keep-restore-rule.ts';
import { keyProvider } from './keys.ts';
import { progressBar } from './progress.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger, type StoredLedger } from './stored-ledger.ts';
import { fencedStore, openWriterOn } from './stored-writer.ts';

/** Milliseconds between two looks at who renews. */
const WAIT_MS = 500;

export async function rotate(args: readonly string[], context: CliContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { background: { type: 'boolean', default: false } },
  });
  const [name, ...more] = positionals;
  const role = ROTATABLE_ROLES.find((known) => known === name);
  if (name === 'log') {
    throw new UsageError(
      'the log key cannot be replaced: a log under another key is another log, with an origin of its own',
    );
  }
  if (role === undefined || more.length > 0) throw new UsageError(`say keys rotate ${ROTATABLE_ROLES.join('|')}`);
  if (values.background && role !== 'master') throw new UsageError('--background goes with master alone');
  const config = readSettings(context);
  const provider = keyProvider(config);
  const ledger = await openStoredLedger(config, { admin: true });
  try {
    const { keySet } = await provider.load({ create: false });
    await keepRestoreRule(config, ledger);
    await rotateRole({ config, provider, ledger, context }, keySet, role, values.background);
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

async function rotateRole(rotation: Rotation, loaded: KeySet, role: RotatableRole, background: boolean): Promise<void> {
  const { context } = rotation;
  let keySet = await settle(rotation, loaded, role);
  if (keySet === undefined) return;
  if (role !== 'master' || keySet.history.master.length === 0) {
    keySet = await replaceKey(rotation, keySet, role);
    context.out(`The key of ${role} is another one from here on; the ledger says so.`);
    context.out('Running gateways have stopped writing: start them again. Make a new recovery kit.');
  }
  if (role !== 'master') return;
  if (background) {
    context.out('They seal all keys under the new master then, in the background, and destroy the old one at the end.');
    return;
  }
  await renewAlone(rotation, keySet);
}

/** Renews the wraps, or waits for the gateway that does. */
async function renewAlone(rotation: Rotation, keySet: KeySet): Promise<void> {
  const { provider, ledger, context } = rotation;
  for (let waiting = false; ; waiting = true) {
    const done = await tryAlone(ledger.pool, RENEWAL_LOCK, async () => {
      // A gateway that was started meanwhile may have been faster.
      const { history } = (await provider.load({ create: false })).keySet;
      if (history.master.length > 0) await renewAll(rotation, keySet);
      else context.out('A running gateway has sealed all keys under the new master; the old one is destroyed.');
      return true;
    });
    if (done === true) return;
    if (!waiting) context.out('A running gateway seals the keys under the new master: waiting for it.');
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
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
  await anchorRotation(fencedStore(ledger.pool, begun), begun, config.origin, next.fingerprint);
  await provider.save(next, 'replace');
  return next;
}

async function renewAll({ config, provider, ledger, context }: Rotation, keySet: KeySet): Promise<void> {
  const { pool } = ledger;
  const { keyring, committer } = await openWriterOn(config, pool, keySet, fencedStore(pool, keySet));
  const count = await countWraps(pool);
  const bar = progressBar(process.stderr, count, () => systemClock.now());
  const renew = (): ReturnType<typeof renewWraps> =>
    renewWraps({
      wraps: wrapStore(pool),
      keyring,
      committer,
      master: keySet.master,
      retired: keySet.history.master,
      progress: ({ seen }) => bar.update(Math.min(seen, count), 'keys looked at'),
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
  await provider.update(withoutOldMasters);
  context.out(`${total} keys are sealed under the new master; the old one is destroyed in the key file.`);
  context.out(
    'Destroy its copies too (older recovery kits, backups of the key file): what they open is in every old backup.',
  );
}
