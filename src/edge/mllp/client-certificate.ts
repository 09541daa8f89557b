/** The certificate of a TLS client, where one was asked for and its authority has signed it. */
import type { Socket } from 'node:net';
import { TLSSocket, type Certificate } from 'node:tls';
import type { ClientCertificate } from '../../services/sources.ts';

/** Undefined for plain connections, and for clients that showed none or one that no known authority signed. */
export function certificateOf(socket: Socket): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerCertificate();
  // Node gives an empty object where there is none, whatever its type says.
  if (!('fingerprint256' in certificate)) return undefined;
  return {
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    subject: subjectText(certificate.subject),
  };
}

function subjectText(subject: Certificate): string {
  return Object.entries(subject)
    .flatMap(([name, value]) => [value ?? []].flat().map((one) => `${name}=${one}`))
    .join(',');
}
