/**
 * A proxy before a Postgres socket that loses connections at COMMIT: before the server has seen it, in the middle of the rows, or
 * after the server has committed but before the client hears of it. It knows a group commit by its closing statement.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { SocketConnection } from '../../src/storage/embedded-postgres/embedded-postgres.ts';

/** `pass`: nothing is lost. The others say when the connection goes, and with that whether the group was stored. */
export type Loss = 'pass' | 'before' | 'within' | 'after';

export interface PostgresProxy {
  /** For `openPool`: the same database through the proxy. */
  readonly config: SocketConnection;
  /** Asked at every group commit. */
  onCommit: () => Loss;
  /** Not 0: with a loss all connections go, and for so many milliseconds no new one is taken. */
  downMs: number;
  /** Losses so far, by kind. */
  readonly losses: Readonly<Record<Loss, number>>;
  close(): Promise<void>;
}

const END_OF_GROUP = Buffer.from(';commit\0');
const COMMITTED = Buffer.from('COMMIT\0');

export async function postgresProxy(target: SocketConnection): Promise<PostgresProxy> {
  const losses: Record<Loss, number> = { pass: 0, before: 0, within: 0, after: 0 };
  const sockets = new Set<Socket>();
  let downUntil = 0;

  const serve = (client: Socket): void => {
    if (Date.now() < downUntil) return void client.destroy();
    const server = connect(join(target.host, `.s.PGSQL.${target.port}`));
    let awaiting = false;
    let tail = Buffer.alloc(0);
    const cut = (): void => {
      client.destroy();
      server.destroy();
      if (proxy.downMs === 0) return;
      downUntil = Date.now() + proxy.downMs;
      for (const socket of sockets) socket.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        // What the server was given before goes on: a lost client does not undo it.
        server.end();
      });
    }
    client.on('data', (chunk) => {
      const seen = Buffer.concat([tail, chunk]);
      tail = seen.subarray(-(END_OF_GROUP.length - 1));
      const loss = seen.includes(END_OF_GROUP) ? proxy.onCommit() : 'pass';
      if (loss !== 'pass') losses[loss] += 1;
      if (loss === 'before') return cut();
      if (loss === 'within') {
        server.write(chunk.subarray(0, chunk.length >> 1), () => cut());
        return;
      }
      awaiting ||= loss === 'after';
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (!awaiting) client.write(chunk);
      else if (chunk.includes(COMMITTED)) cut();
    });
  };

  const listener: Server = createServer(serve);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const proxy: PostgresProxy = {
    config: { ...target, host: '127.0.0.1', port },
    onCommit: () => 'pass',
    downMs: 0,
    losses,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return proxy;
}
