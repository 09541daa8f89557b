/** Metrics of records that follow a moved visit or account (docs/hl7v2-identity.md). */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface MovesMetrics {
  /** Moves that wait, as the process that does them sees them. */
  pending(moves: number): void;
  /** Records that got a version under the right patient. */
  moved(records: number): void;
}

export function movesMetrics(registry: Registry): MovesMetrics {
  const registers = [registry];
  const pending = new Gauge({
    name: 'anamnesis_moves_pending',
    help: 'Moves (ADT A44, A45) of which records have still to follow; counted to 20, by the process that does them.',
    registers,
  });
  const moved = new Counter({
    name: 'anamnesis_moved_records_total',
    help: 'Records that followed a moved visit or account.',
    registers,
  });
  return { pending: (moves) => pending.set(moves), moved: (records) => moved.inc(records) };
}
