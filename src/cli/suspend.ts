/**
 * `anamnesis suspend ORIGIN` and `anamnesis unsuspend ORIGIN`: signs this gateway's statement about a member with its witness
 * key, anchors it in the own log, which puts it in force here (in running gateways from the next request on), and brings it to the
 * peers of the policy, where it takes effect once their own rule is met.
 */
import { cosigners } from '../app/network.ts';
import { policyOf } from '../app/policy-file.ts';
import { peerHttp } from '../clients/peer-http.ts';
import { systemClock } from '../core/clock.ts';
import { asGatewayError } from '../core/errors.ts';
import { isKeyName } from '../ledger/note.ts';
import { documentSigner } from '../record/document.ts';
import { anchorNotices, holdsStatement } from '../replication/anchor-notices.ts';
import { openSuspensions } from '../replication/suspensions.ts';
import { suspensionStore } from '../storage/pg/notice-store.ts';
import { commitAlone } from '../write/commit-alone.ts';
import { EXIT, UsageError, type CliContext, type Command } from './command.ts';
import { keepingRestoreRule } from './keep-restore-rule.ts';
import { readSettings } from './settings.ts';
import { openStoredLedger } from './stored-ledger.ts';
import { fencedStore } from './stored-writer.ts';

const DEADLINE_MS = 10_000;

export const suspend: Command = (args, context) => say(args, context, true);
export const unsuspend: Command = (args, context) => say(args, context, false);

async function say([subject, ...more]: readonly string[], context: CliContext, suspended: boolean): Promise<number> {
  if (subject === undefined || more.length > 0 || !isKeyName(subject)) throw new UsageError('say which ORIGIN');
  const config = readSettings(context);
  const policy = policyOf(config);
  const ledger = await openStoredLedger(config);
  const http = peerHttp(config.peerCa === undefined ? {} : { ca: config.peerCa });
  try {
    const { keySet, pool } = ledger;
    const store = keepingRestoreRule(fencedStore(pool, keySet), config, ledger);
    const anchor = anchorNotices(documentSigner(keySet.sign), (item) =>
      commitAlone(store, keySet, config.origin, item),
    );
    const suspensions = await openSuspensions({
      policy: () => policy,
      store: suspensionStore(pool, (statement) => anchor({ kind: 'suspension', statement })),
      clock: systemClock,
      signer: cosigners(config.origin, keySet).witness,
      isAnchored: holdsStatement(keySet),
      onChange: () => {},
    });
    const statement = await suspensions.say(subject, suspended);
    if (!policy.logs.some(({ key }) => key.name === subject))
      context.err(
        `anamnesis: the policy file names no log ${subject}; the statement stands all the same: check the name`,
      );
    context.out(`${subject} is ${suspended ? 'suspended' : 'no longer suspended by this gateway'} here`);
    for (const { key, url } of policy.logs) {
      if (url === undefined || key.name === config.origin || key.name === subject) continue;
      const request = {
        method: 'POST' as const,
        url: `${url}/suspensions`,
        body: statement,
        deadlineMs: DEADLINE_MS,
        maxBytes: 4096,
      };
      const told = await http.send(request).then(
        ({ status }) => (status === 200 ? 'has the statement' : `answered with status ${status}`),
        (error: unknown) => asGatewayError(error).message,
      );
      context.out(`${key.name}: ${told}`);
    }
    return EXIT.ok;
  } finally {
    http.close();
    await ledger.close();
  }
}
