/**
 * The gateway's metrics. Label values come from closed lists (route patterns, protocols, outcomes): nothing that a
 * sender chose can become one.
 */
import type { RequestHandler } from 'express';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

export type Protocol = 'hl7v2' | 'dicom' | 'fhir';
export type Outcome = 'accepted' | 'duplicate' | 'quarantined' | 'refused' | 'failed' | 'ignored';

export interface GatewayMetrics {
  readonly registry: Registry;
  /** One HTTP answer. `route` is the pattern. */
  request(method: string, route: string, status: number, seconds: number): void;
  /** One message or object, from its last byte to its acknowledgement. */
  message(protocol: Protocol, outcome: Outcome, seconds: number): void;
  /** Something on an MLLP connection besides a message; names come from a closed list. */
  mllpIncident(incident: string): void;
  /** Asked when the metrics are: open MLLP connections, and the bytes that they hold. */
  watchMllp(listener: { count(): number; held(): number }): void;
  /** One group commit. */
  commit(messages: number, leaves: number, seconds: number): void;
  /** How a protection of the ledger's tables stands; names come from a closed list. */
  protection(name: string, present: boolean): void;
  /** One message that went into quarantine, by the code of its reason. */
  quarantined(reason: ErrorCode): void;
  /** Messages that are in quarantine now, by reason. */
  inQuarantine(open: ReadonlyMap<string, number>): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Methods that get a label of their own; a client can send any word. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export function createMetrics(): GatewayMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const requests = new Histogram({
    name: 'anamnesis_http_request_seconds',
    help: 'Time from the head of an HTTP request to the end of its answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });
  const messages = new Histogram({
    name: 'anamnesis_message_seconds',
    help: 'Time from the last byte of a message or object to its acknowledgement.',
    labelNames: ['protocol', 'outcome'],
    buckets: SECONDS,
    registers,
  });
  const commits = new Histogram({
    name: 'anamnesis_commit_seconds',
    help: 'Time of one group commit.',
    buckets: SECONDS,
    registers,
  });
  const committed = new Counter({
    name: 'anamnesis_committed_messages_total',
    help: 'Messages made durable.',
    registers,
  });
  const protections = new Gauge({
    name: 'anamnesis_database_protection',
    help: '1: the protection of the append-only tables stands; 0: it is missing (docs/operations.md).',
    labelNames: ['protection'],
    registers,
  });
  const quarantined = new Counter({
    name: 'anamnesis_quarantined_messages_total',
    help: 'Messages that were kept and not converted (anamnesis messages).',
    labelNames: ['reason'],
    registers,
  });
  const inQuarantine = new Gauge({
    name: 'anamnesis_quarantine_open',
    help: 'Messages that wait in quarantine, in the whole database: every process says the same.',
    labelNames: ['reason'],
    registers,
  });
  const incidents = new Counter({
    name: 'anamnesis_mllp_incidents_total',
    help: 'Frames cut off or too large, garbage between frames, connections refused, closed by a deadline or not read for lack of room.',
    labelNames: ['incident'],
    registers,
  });
  const leaves = new Counter({ name: 'anamnesis_ledger_leaves_total', help: 'Documents anchored.', registers });
  return {
    registry,
    request: (method, route, status, seconds) => {
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status: String(status) }, seconds);
    },
    message: (protocol, outcome, seconds) => messages.observe({ protocol, outcome }, seconds),
    commit: (messageCount, leafCount, seconds) => {
      commits.observe(seconds);
      committed.inc(messageCount);
      leaves.inc(leafCount);
    },
    mllpIncident: (incident) => incidents.inc({ incident }),
    watchMllp: (listener) => {
      const gauge = (name: string, help: string, value: () => number): Gauge =>
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(value());
          },
        });
      gauge('anamnesis_mllp_connections', 'Open MLLP connections.', () => listener.count());
      gauge('anamnesis_mllp_held_bytes', 'Bytes of unfinished frames and of messages under way.', () =>
        listener.held(),
      );
    },
    quarantined: (reason) => quarantined.inc({ reason }),
    inQuarantine: (open) => {
      inQuarantine.reset();
      for (const [reason, count] of open) inQuarantine.set({ reason }, count);
    },
    protection: (name, present) => protections.set({ protection: name }, present ? 1 : 0),
  };
}

/** Observes every answer and logs it, by the route's pattern: a path can hold an identifier. */
export function measureRequests(metrics: GatewayMetrics, log: Log): RequestHandler {
  return (request, response, next) => {
    const start = performance.now();
    response.once('close', () => {
      const pattern: unknown = request.route?.path;
      const route = typeof pattern === 'string' ? request.baseUrl + pattern : 'none';
      const ms = performance.now() - start;
      metrics.request(request.method, route, response.statusCode, ms / 1000);
      log.debug({
        event: 'http',
        method: request.method,
        route,
        status: response.statusCode,
        ms: Math.round(ms * 10) / 10,
      });
    });
    next();
  };
}
