/**
 * The trust policy of a running gateway (docs/replication.md): the file is looked at every second. What is valid counts from
 * then on; what is not is said once, and the policy before it stays. A file that is being written is waited for: it must be the
 * same at two looks.
 */
import { readFile } from 'node:fs/promises';
import type { Config } from '../config/config.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { EMPTY_POLICY, parsePolicy, withoutCosignersOf, type Policy } from '../ledger/policy.ts';
import type { Teardown } from './teardown.ts';

/** Milliseconds between two looks. */
const LOOK_MS = 1_000;

export interface PolicyFile {
  readonly current: () => Policy;
  /** `take` is called with each new policy after it counts; it must not throw. */
  onChange(take: (policy: Policy) => void): void;
}

export interface PolicyFileDeps {
  readonly config: Pick<Config, 'ledgerPolicy' | 'ledgerPolicyFile' | 'origin'>;
  /** What is wrong with a policy for this gateway beyond its form; undefined: nothing. */
  readonly objection: (policy: Policy) => string | undefined;
  /** Called at each change of whether the file is what counts. */
  readonly onValid: (valid: boolean) => void;
  readonly log: Log;
  readonly teardown: Teardown;
}

/** The policy in the settings, without this gateway's own cosigners. Throws `invalid-content` with every wrong line. */
export function policyOf(config: Pick<Config, 'ledgerPolicy' | 'origin'>): Policy {
  if (config.ledgerPolicy === undefined) return EMPTY_POLICY;
  const parsed = parsePolicy(config.ledgerPolicy);
  if ('policy' in parsed) return withoutCosignersOf(parsed.policy, config.origin);
  throw new GatewayError('invalid-content', `LEDGER_POLICY_FILE: ${parsed.errors.join('; ')}`);
}

/** Follows the file from now on. Throws as `policyOf` for what the settings hold now. */
export function followPolicyFile(deps: PolicyFileDeps): PolicyFile {
  const { config, log, teardown } = deps;
  let policy = policyOf(config);
  let take: (changed: Policy) => void = () => {};
  const path = config.ledgerPolicyFile;
  if (path === undefined) return { current: () => policy, onChange: () => {} };

  /** The file as it was at the last look, and as it was decided about last; empty where it could not be read. */
  let seen = config.ledgerPolicy ?? Buffer.alloc(0);
  let decided = seen;
  const refuse = (reason: string): void => {
    deps.onValid(false);
    log.error({ event: 'policy.refused', reason });
  };
  const decide = (bytes: Buffer | undefined): void => {
    if (bytes === undefined) return refuse('the file cannot be read');
    const parsed = parsePolicy(bytes);
    if ('errors' in parsed) return refuse(parsed.errors.slice(0, 3).join('; '));
    const next = withoutCosignersOf(parsed.policy, config.origin);
    const objection = deps.objection(next);
    if (objection !== undefined) return refuse(objection);
    policy = next;
    deps.onValid(true);
    log.warn({ event: 'policy.changed', count: policy.logs.length + policy.witnesses.size });
    take(policy);
  };
  const look = async (): Promise<void> => {
    const bytes = await readFile(path).catch(() => undefined);
    const found = bytes ?? Buffer.alloc(0);
    const isSettled = found.equals(seen);
    seen = found;
    if (!isSettled || found.equals(decided)) return;
    decided = found;
    decide(bytes);
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  teardown.add('policy-file', async () => clearInterval(timer));
  return {
    current: () => policy,
    onChange(callback) {
      take = callback;
    },
  };
}
