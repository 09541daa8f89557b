/** Metrics of the renewal of keys after a rotation of master (docs/keys.md). */
import { Gauge, type Registry } from 'prom-client';

export interface RenewalMetrics {
  /** A renewal has begun over so many keys. */
  begin(keys: number): void;
  progress(seen: number, renewed: number): void;
  /** Nothing stands under an old master any more. */
  done(): void;
}

export function renewalMetrics(registry: Registry): RenewalMetrics {
  const registers = [registry];
  const running = new Gauge({
    name: 'anamnesis_key_renewal_running',
    help: '1: this process renews the wraps after a rotation of master; 0: it does not.',
    registers,
  });
  const keys = new Gauge({
    name: 'anamnesis_key_renewal_keys',
    help: 'Keys of the renewal that runs in this process, or ran last: all, seen, renewed.',
    labelNames: ['state'],
    registers,
  });
  return {
    begin(count) {
      running.set(1);
      keys.set({ state: 'all' }, count);
    },
    progress(seen, renewed) {
      keys.set({ state: 'seen' }, seen);
      keys.set({ state: 'renewed' }, renewed);
    },
    done: () => running.set(0),
  };
}
