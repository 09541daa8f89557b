/**
 * `anamnesis begin-log ORIGIN`: gives up the log of a gateway whose peers have cosigned more than anybody can bring back, and begins
 * another one under a new origin and a new log key. What is in the database is kept and served: the new log has the same
 * documents at the same places, and then, as the first leaf of its own, the last known checkpoint of the old one, so that
 * everybody sees what is missing. Only where `restore` cannot help; nothing is changed where the old log can go on.
 */
import { parseArgs } from 'node:util';
import { cosigners } from '../app/network.ts';
import { policyOf } from '../app/policy-file.ts';
import { peerHttp } from '../clients/peer-http.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { systemRandom } from '../core/random.ts';
import { TOKEN_LIFE_MS } from '../identity/sign-token.ts';
import type { KeySet } from '../keys/key-set.ts';
import { beginSuccession, finishRotation } from '../keys/rotate.ts';
import { cosignerKey } from '../ledger/cosignature.ts';
import { formatVkey, KEY_ED25519, verifierKey } from '../ledger/note.ts';
import { askRestoreRule } from '../replication/restore-rule.ts';
import { findSources, type LastSigned } from '../services/find-source.ts';
import { ownLog } from '../storage/pg/own-log.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { keyProvider } from './keys.ts';
import { refill } from './rebuild.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger } from './stored-ledger.ts';

const DEADLINE_MS = 30_000;

export const beginLog: Command = async (args, context) => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { into: { type: 'string' } },
    allowPositionals: true,
  });
  const [origin, ...more] = positionals;
  if (origin === undefined || more.length > 0)
    throw new UsageError('say `begin-log ORIGIN`: the origin of the new log');
  const config = readSettings(context);
  // Checks the form of the name as that of any origin.
  readSettings({ ...context, env: { ...context.env, GATEWAY_ORIGIN: origin } });
  if (origin === config.origin) throw new UsageError('the new log needs an origin of its own');
  if (config.databaseUrl !== undefined && values.into === undefined)
    throw new UsageError(
      'with DATABASE_URL say --into URL: an empty database for the new log; the old one stays as it is',
    );
  const provider = keyProvider(config);
  const { keySet: loaded } = await provider.load({ create: false });
  const last = await lastKnown(config, loaded);
  const begun = beginSuccession(loaded, config.origin, systemClock.now(), systemRandom);
  await provider.save(begun, 'replace');
  const keySet = finishRotation(begun, TOKEN_LIFE_MS);
  const succession = { origin, keySet, checkpoint: last.checkpoint };
  const code = await refill({ config, keySet: loaded, succession }, values, context);
  if (code === EXIT.ok) {
    await provider.save(keySet, 'replace');
    announce(config, origin, keySet, last, context);
  }
  return code;
};

/** The furthest checkpoint that was cosigned. Throws `conflict` where the old log can go on, `unavailable` when nobody knows. */
async function lastKnown(config: Config, keySet: KeySet): Promise<LastSigned> {
  const policy = policyOf(config);
  const http = peerHttp(config.peerCa === undefined ? {} : { ca: config.peerCa });
  const ledger = await openStoredLedger(config);
  try {
    const logKey = verifierKey(config.origin, KEY_ED25519, keySet.log.rawPublicKey);
    const verdict = await askRestoreRule({ policy, http, log: ownLog(ledger.pool), logKey, deadlineMs: DEADLINE_MS });
    if (verdict.kind === 'go-on')
      throw new GatewayError(
        'conflict',
        'nothing that was cosigned is missing here: start the gateway, its log goes on',
      );
    const { mirrors, witnesses, silent } = await findSources(policy, http, logKey, DEADLINE_MS);
    // Whoever does not answer may know more, or have all of it.
    if (silent.length > 0)
      throw new GatewayError(
        'unavailable',
        `no answer from ${silent.join(', ')}: wait for them, or take those that are gone for good out of the policy file`,
      );
    const [last] = [...mirrors, ...witnesses].toSorted((x, y) => y.size - x.size);
    if (last === undefined || verdict.kind === 'too-few')
      throw new GatewayError('unavailable', 'too few peers answer to know what was cosigned; try again');
    if ((mirrors[0]?.size ?? 0) >= last.size)
      throw new GatewayError('conflict', `${mirrors[0].cosigner.name} has all of this log: run \`anamnesis restore\``);
    return last;
  } finally {
    await ledger.close();
    http.close();
  }
}

function announce(config: Config, origin: string, keySet: KeySet, last: LastSigned, { out }: CliContext): void {
  const { witness, mirror } = cosigners(origin, keySet);
  out(`${config.origin} is given up at ${last.size} cosigned leaves. Its log key signs nothing any more.`);
  out(`The new log is ${origin}. Set GATEWAY_ORIGIN=${origin} before the next start, and make a new recovery kit.`);
  out(
    'Give these to all peers, by a way that they trust, for their policy files; what they mirror of the old log they may keep:',
  );
  out(`  log ${formatVkey(verifierKey(origin, KEY_ED25519, keySet.log.rawPublicKey))}`);
  out(`  witness ${formatVkey(cosignerKey(witness))}`);
  out(`  mirror ${formatVkey(cosignerKey(mirror))}`);
  out('Receipts of leaves that are lost stay valid, and their records are gone: ask senders for them again.');
}
