/**
 * Failures at every step of what is stored: a proxy before a Postgres socket cuts the connection at one round trip, before the
 * server has seen it ("failed and not stored"), or when the server has done it and before the client hears of it ("failed but
 * stored"); other stores fail by call in the same two ways.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { GatewayError } from '../../src/core/errors.ts';
import type { SocketConnection } from '../../src/storage/embedded-postgres/embedded-postgres.ts';

export type Failure = 'before' | 'after';

/** Counts what is done to stores, over all of them, and says which one fails. */
export class Steps {
  /** Steps since it was last set. */
  count = 0;
  /** The step (from 1) that fails, once, and how. */
  failAt: { readonly step: number; readonly how: Failure } | undefined;
  /** Called when one fails, before anybody hears of it. */
  onFailure: () => void = () => {};

  next(): Failure | undefined {
    this.count += 1;
    const { failAt } = this;
    if (failAt?.step !== this.count) return undefined;
    this.failAt = undefined;
    return failAt.how;
  }
}

/** A store whose every call is a step. */
export function failing<T extends object>(store: T, steps: Steps, methods: readonly (keyof T)[]): T {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || !methods.some((method) => method === name)) return value;
      return async (...args: unknown[]): Promise<unknown> => {
        const failure = steps.next();
        if (failure === undefined) return value.apply(target, args);
        if (failure === 'after') await value.apply(target, args);
        steps.onFailure();
        throw new GatewayError('unavailable', failure === 'after' ? 'failed but stored' : 'failed and not stored');
      };
    },
  });
}

export interface StepProxy {
  /** For `openPool`: the same database through the proxy. */
  readonly config: SocketConnection;
  /** Ends all connections now. */
  cut(): void;
  close(): Promise<void>;
}

/** Whether what the server has said ends with ReadyForQuery (PostgreSQL 54.7: 'Z', length 5, status). */
function isReady(bytes: Buffer): boolean {
  return bytes.length >= 6 && bytes.readUInt8(bytes.length - 6) === 0x5a && bytes.readUInt32BE(bytes.length - 5) === 5;
}

export async function stepProxy(target: SocketConnection, steps: Steps): Promise<StepProxy> {
  const sockets = new Set<Socket>();
  const listener = createServer((client) => {
    const server = connect(join(target.host, `.s.PGSQL.${target.port}`));
    let tail = Buffer.alloc(0);
    // The first answer ends the start-up, the second the session's settings: those are no steps of what is tested.
    let answers = 0;
    let idle = false;
    let swallow = false;
    const cut = (): void => {
      steps.onFailure();
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        server.end();
      });
    }
    client.on('data', (piece) => {
      if (idle && answers >= 2) {
        const failure = steps.next();
        if (failure === 'before') return cut();
        swallow = failure === 'after';
      }
      idle = false;
      server.write(piece);
    });
    server.on('data', (piece) => {
      tail = Buffer.concat([tail, piece]).subarray(-6);
      if (isReady(tail)) {
        idle = true;
        answers += 1;
        if (swallow) return cut();
      }
      if (!swallow) client.write(piece);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    config: { ...target, host: '127.0.0.1', port },
    cut: cutAll,
    async close() {
      cutAll();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
