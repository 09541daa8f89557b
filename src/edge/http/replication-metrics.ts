/** Metrics of the network: levels and their ages, peers, frozen and suspended origins. Peer names come from the policy file. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Levels } from '../../services/peer-services.ts';

export interface ReplicationMetrics {
  /** One exchange with a peer of the policy; `behind`: leaves that it has not signed yet. */
  peer(name: string, ok: boolean, behind: number): void;
  /** Another policy: peers that are not in it any more are not shown. */
  forgetPeers(): void;
  /** Two trees under one log key were found. */
  equivocation(): void;
  /** Origins that are not cosigned until a person lifts it. */
  frozen(count: number): void;
  suspended(count: number): void;
  /** A log was looked at for the own mirror; `size`: leaves that are here when `ok`. */
  pulled(origin: string, ok: boolean, size: number): void;
}

/** What is asked at each scrape. */
export interface ReplicationState {
  /** Whether checkpoints may leave now. */
  readonly released: () => boolean;
  /** Whether the policy file as it is now is the policy that counts. */
  readonly policyCounts: () => boolean;
}

export function replicationMetrics(registry: Registry, levels: Levels, state: ReplicationState): ReplicationMetrics {
  const registers = [registry];
  const named = ['mirrored', 'witnessed'] as const;
  new Gauge({
    name: 'anamnesis_ledger_level_leaves',
    help: 'Leaves of the own log that have reached the level.',
    labelNames: ['level'],
    registers,
    collect() {
      for (const level of ['durable', ...named] as const) this.set({ level }, levels.sizes[level]);
    },
  });
  new Gauge({
    name: 'anamnesis_ledger_level_age_seconds',
    help: 'How long the oldest leaf that has not reached the level has waited; 0: none waits.',
    labelNames: ['level'],
    registers,
    collect() {
      for (const level of named) this.set({ level }, levels.ageSeconds(level));
    },
  });
  new Gauge({
    name: 'anamnesis_ledger_released',
    help: '1: checkpoints leave; 0: withheld until enough peers have answered the restore rule.',
    registers,
    collect() {
      this.set(state.released() ? 1 : 0);
    },
  });
  new Gauge({
    name: 'anamnesis_policy_valid',
    help: '1: the policy file is in force; 0: it was changed to one that is refused, and the one before it counts.',
    registers,
    collect() {
      this.set(state.policyCounts() ? 1 : 0);
    },
  });
  const up = new Gauge({
    name: 'anamnesis_peer_up',
    help: '1: the last exchange with the peer succeeded.',
    labelNames: ['peer'],
    registers,
  });
  const behind = new Gauge({
    name: 'anamnesis_peer_behind_leaves',
    help: 'Leaves of the own log that the peer has not signed yet.',
    labelNames: ['peer'],
    registers,
  });
  const pullUp = new Gauge({
    name: 'anamnesis_pull_up',
    help: '1: the last look at a log that is pulled into the mirror succeeded.',
    labelNames: ['origin'],
    registers,
  });
  const pulledLeaves = new Gauge({
    name: 'anamnesis_pulled_leaves',
    help: 'Leaves of a pulled log that are mirrored here.',
    labelNames: ['origin'],
    registers,
  });
  const equivocations = new Counter({
    name: 'anamnesis_equivocations_total',
    help: 'Logs that were found to have signed two trees. Any is an alarm.',
    registers,
  });
  const frozen = new Gauge({
    name: 'anamnesis_frozen_origins',
    help: 'Logs with two trees that this gateway does not cosign until a person lifts it. Any is an alarm.',
    registers,
  });
  const suspended = new Gauge({ name: 'anamnesis_suspended_members', help: 'Members suspended here.', registers });
  return {
    peer(name, ok, leaves) {
      up.set({ peer: name }, ok ? 1 : 0);
      behind.set({ peer: name }, leaves);
    },
    forgetPeers() {
      up.reset();
      behind.reset();
    },
    equivocation: () => equivocations.inc(),
    frozen: (count) => frozen.set(count),
    suspended: (count) => suspended.set(count),
    pulled(origin, ok, size) {
      pullUp.set({ origin }, ok ? 1 : 0);
      if (ok) pulledLeaves.set({ origin }, size);
    },
  };
}
