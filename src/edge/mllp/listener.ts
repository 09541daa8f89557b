/**
 * MLLP listener over TCP or TLS (HL7 Transport Specification, Minimal Lower Layer Protocol). An accepted message is answered
 * AA or CA only when it is durable and anchored.
 */
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayError } from '../../core/errors.ts';
import { Budget } from './budget.ts';
import { serveConnection, type Connection, type MllpDeps, type MllpIncident } from './connection.ts';
import type { MllpSettings } from './settings.ts';

export interface MllpListener {
  readonly port: number;
  /** Open connections. */
  count(): number;
  /** Bytes that they hold: unfinished frames, messages that wait or are taken. */
  held(): number;
  /**
   * Stops listening, lets the messages in flight finish and be answered, ends the connections, and resolves when all are over;
   * after `drainMs` the rest is cut off. What was received but not begun is not answered: its sender sends it again. Idempotent.
   */
  close(): Promise<void>;
}

/** Resolves when the port is open. Throws `unavailable` when it cannot be opened. */
export async function startMllpListener(deps: MllpDeps, settings: MllpSettings): Promise<MllpListener> {
  const open = new Set<Connection>();
  const budget = new Budget(settings.maxBufferedBytes);
  let closing: Promise<void> | undefined;

  const incident = (reason: MllpIncident): void => {
    deps.observe?.(reason);
    deps.log.warn({ event: 'mllp.connection', listener: 'mllp', reason });
  };
  const serve = (socket: Socket): void => {
    if (closing !== undefined || open.size >= settings.maxConnections) {
      socket.on('error', () => {});
      socket.destroy();
      if (closing === undefined) incident('too-many-connections');
      return;
    }
    const connection = serveConnection(deps, settings, socket, budget);
    open.add(connection);
    void connection.done.then(() => open.delete(connection));
  };

  const server: Server =
    settings.tls === undefined
      ? createTcpServer({ allowHalfOpen: true }, serve)
      : createTlsServer({ ...settings.tls, handshakeTimeout: settings.handshakeMs, allowHalfOpen: true }, serve);
  // Handshakes that do not end are connections too, of which `serve` is not told.
  if (settings.tls !== undefined) server.maxConnections = 2 * settings.maxConnections;
  server.on('drop', () => incident('too-many-connections'));
  server.on('tlsClientError', (_error: Error, socket: Socket) => {
    incident('tls-refused');
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new GatewayError('unavailable', 'the MLLP port cannot be opened', { cause })),
    );
    server.listen(settings.port, settings.host, resolve);
  });
  server.on('error', () => deps.log.error({ event: 'mllp.listener-error', listener: 'mllp' }));

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const connections = [...open];
    for (const connection of connections) connection.drain();
    const cut = setTimeout(() => {
      for (const connection of open) connection.destroy();
    }, settings.drainMs);
    await Promise.all(connections.map((connection) => connection.done));
    clearTimeout(cut);
    await closed;
  };

  return {
    port: portOf(server),
    count: () => open.size,
    held: () => budget.used,
    close: () => (closing ??= close()),
  };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string')
    throw new GatewayError('internal', 'the MLLP port has no number');
  return address.port;
}
