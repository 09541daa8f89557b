/**
 * The socket of the HTTP edge: plain or TLS, bounded in connections and in time, and a close that ends: new connections are refused,
 * answers under way are finished, idle connections are cut again and again (`server.close()` alone waits for them for ever).
 */
import type { Express } from 'express';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ListenerConfig } from '../../config/config.ts';
import type { Log } from '../../core/log.ts';

export interface HttpListenerSettings {
  readonly listener: ListenerConfig;
  /** Connections at one time; more are closed at once. */
  readonly maxConnections: number;
  /** Milliseconds in which a whole request must have arrived. */
  readonly requestMs: number;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** `http://127.0.0.1:8080`, for where no public URL is configured. */
  readonly url: string;
  /** Resolves when the last connection is gone: those still open after `deadlineMs` are cut. Idempotent. */
  close(deadlineMs: number): Promise<void>;
}

/** Milliseconds that a connection may idle between two requests; longer than the 60 s of common proxies. */
const KEEP_ALIVE_MS = 65_000;
const HEADERS_MS = 20_000;
const HEADER_BYTES = 32 * 1024;
const SWEEP_MS = 50;

/** Listens before it resolves. Throws the error of the socket (address in use, no permission). */
export async function startHttpListener(app: Express, settings: HttpListenerSettings, log: Log): Promise<HttpListener> {
  const { listener } = settings;
  const options = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: Math.min(HEADERS_MS, settings.requestMs),
    requestTimeout: settings.requestMs,
    maxHeaderSize: HEADER_BYTES,
  };
  const { tls } = listener;
  const server =
    tls === undefined
      ? createHttpServer(options, app)
      : createTlsServer(
          {
            ...options,
            cert: tls.cert,
            key: tls.key,
            minVersion: 'TLSv1.2',
            ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
          },
          app,
        );
  server.maxConnections = settings.maxConnections;
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  const address = await listen(server, listener);
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const url = `${tls === undefined ? 'http' : 'https'}://${host}:${address.port}`;
  log.info({ event: 'listening', listener: 'http', address: address.address, port: address.port });
  let closing: Promise<void> | undefined;
  return {
    host: address.address,
    port: address.port,
    url,
    close: (deadlineMs) => (closing ??= drain(server, deadlineMs)),
  };
}

function listen(server: Server, { host, port }: ListenerConfig): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('the HTTP listener has no address'));
      else resolve(address);
    });
  });
}

function drain(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    // Answers from now on tell their clients not to use the connection again.
    server.prependListener('request', (_request, response) => response.setHeader('Connection', 'close'));
    const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
    const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
