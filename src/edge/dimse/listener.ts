/**
 * DIMSE listener (PS3.7, PS3.8): C-ECHO and C-STORE as a service class provider over TCP or TLS. An object is answered 0000
 * only when it is durable and anchored. When an association ends, the studies it added to are told to the follower.
 */
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { GatewayError } from '../../core/errors.ts';
import type { OperationsDeps } from './operations.ts';
import { serveAssociation, type Association, type AssociationEnd } from './association.ts';
import type { DimseSettings } from './settings.ts';

export interface DimseDeps extends OperationsDeps {
  /** Called when an association that stored new objects is over, with their Study Instance UIDs. Must not throw. */
  readonly onStudies: (studyInstanceUids: ReadonlySet<string>) => void;
}

export interface DimseListener {
  readonly port: number;
  /** Open associations. */
  count(): number;
  /**
   * Stops listening, lets running C-STOREs finish and be answered, aborts the associations, and resolves when all are over; after
   * `drainMs` the rest is cut off. Idempotent.
   */
  close(): Promise<void>;
}

/** Connections beyond `maxAssociations` that may wait to be rejected properly; more are closed unread. */
const REJECT_ROOM = 16;

/** Resolves when the port is open. Throws `unavailable` when it cannot be opened. */
export async function startDimseListener(deps: DimseDeps, settings: DimseSettings): Promise<DimseListener> {
  const open = new Set<Association>();
  let closing: Promise<void> | undefined;

  const serve = (socket: Socket): void => {
    // Errors end the reading loop; without a listener they would end the process.
    socket.on('error', () => {});
    if (closing !== undefined || open.size >= settings.maxAssociations + REJECT_ROOM) {
      socket.destroy();
      return;
    }
    const startedAt = performance.now();
    const association = serveAssociation(deps, settings, socket, () => open.size > settings.maxAssociations);
    open.add(association);
    void association.done.then((end) => {
      open.delete(association);
      report(deps, end, performance.now() - startedAt);
      if (end.tally !== undefined && end.tally.studies.size > 0) deps.onStudies(end.tally.studies);
    });
  };

  const server: Server =
    settings.tls === undefined
      ? createTcpServer(serve)
      : createTlsServer({ handshakeTimeout: settings.artimMs, ...settings.tls }, serve);
  // Also counts TLS handshakes, which no association knows of yet.
  server.maxConnections = settings.maxAssociations + 2 * REJECT_ROOM;
  server.on('tlsClientError', (_error: Error, socket: Socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new GatewayError('unavailable', 'the DICOM port cannot be opened', { cause })),
    );
    server.listen(settings.port, settings.host, resolve);
  });
  server.on('error', () => deps.log.error({ event: 'dimse.listener-error', listener: 'dimse' }));

  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const association of open) association.drain();
    const cut = setTimeout(() => {
      for (const association of open) association.destroy();
    }, settings.drainMs);
    await Promise.all([...open].map((association) => association.done));
    clearTimeout(cut);
    await closed;
  };

  return {
    port: portOf(server),
    count: () => open.size,
    close: () => (closing ??= close()),
  };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string')
    throw new GatewayError('internal', 'the DICOM port has no number');
  return address.port;
}

function report(deps: DimseDeps, end: AssociationEnd, ms: number): void {
  const { tally, rejected } = end;
  if (rejected !== undefined) {
    const reason = `${rejected.result}/${rejected.source}/${rejected.reason}`;
    deps.log.warn({ event: 'dimse.association-rejected', listener: 'dimse', reason });
  } else if (tally !== undefined) {
    const kind = end.released ? 'released' : 'aborted';
    deps.log.info({
      event: 'dimse.association-ended',
      listener: 'dimse',
      kind,
      ms: Math.round(ms),
      count: tally.stored,
      bytes: tally.bytes,
    });
    if (tally.refused > 0) deps.log.warn({ event: 'dimse.objects-refused', listener: 'dimse', count: tally.refused });
  }
}
