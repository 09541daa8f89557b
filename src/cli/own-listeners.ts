/**
 * How commands reach the listeners of the configured gateway: address, the certificate to trust, the one to show. The listener's certificate is
 * trusted as it stands in the settings, whoever signed it, since the settings say that it is ours.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Config, ListenerConfig, TlsMaterial } from '../config/config.ts';
import { UsageError } from './command.ts';

export interface ClientCertificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls?: ConnectionOptions;
}

/**
 * Of a configured listener. `option` names the argument that says another. Throws a UsageError where the port is any free one, and where clients
 * must show a certificate and `client` is none.
 */
export function listenerAddress(listener: ListenerConfig, option: string, client?: ClientCertificate): Address {
  const { tls, port } = listener;
  if (port === 0) throw new UsageError(`the configured port is 0 (any free one): say which by ${option}`);
  const host = reachable(listener.host);
  if (tls === undefined) return { host, port };
  if (tls.ca !== undefined && client === undefined) {
    throw new UsageError('the listener asks its clients for a certificate: give one by --cert FILE --key FILE');
  }
  return { host, port, tls: trust(tls, client) };
}

/** The base URL of the HTTP listener, without a trailing slash. Throws as `listenerAddress`. */
export function httpBase(
  config: Pick<Config, 'http'>,
  option: string,
  client?: ClientCertificate,
): { readonly base: string; readonly tls?: ConnectionOptions } {
  const { host, port, tls } = listenerAddress(config.http, option, client);
  const scheme = tls === undefined ? 'http' : 'https';
  return { base: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`, ...(tls && { tls }) };
}

/** The chain in the certificate file is enough: its root is with the authority that signed it, and need not be at hand. */
export function trust({ cert }: Pick<TlsMaterial, 'cert'>, client?: ClientCertificate): ConnectionOptions {
  return { ca: cert, allowPartialTrustChain: true, ...(client && { cert: client.cert, key: client.key }) };
}

/** An address that listens on all interfaces is reached on the loopback. */
function reachable(host: string): string {
  return host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
}
