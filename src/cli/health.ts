/**
 * `anamnesis health`: asks the running gateway of these settings whether it is ready, as probes of containers and scripts do. Under mutual TLS it
 * shows `--cert`, or else the certificate of the listener itself.
 */
import { parseArgs } from 'node:util';
import { httpRequest } from '../clients/http-request.ts';
import { asGatewayError } from '../core/errors.ts';
import { clientCertificate } from './client-certificate.ts';
import { EXIT, type Command } from './command.ts';
import { httpBase } from './own-listeners.ts';
import { readSettings } from './settings.ts';

/** Milliseconds within which a gateway that is well has answered. */
const DEADLINE_MS = 5_000;
const MAX_BYTES = 64 * 1024;

export const health: Command = async (args, context) => {
  const { values } = parseArgs({ args: [...args], options: { cert: { type: 'string' }, key: { type: 'string' } } });
  const config = readSettings(context);
  const { base, tls } = httpBase(config, 'HTTP_PORT', clientCertificate(values, context.cwd) ?? config.http.tls);
  const bounds = { timeoutMs: DEADLINE_MS, maxBytes: MAX_BYTES, ...(tls && { tls }) };
  try {
    const { status, body } = await httpRequest(`${base}/readyz`, { method: 'GET', headers: {}, ...bounds });
    context.out(body);
    return status === 200 ? EXIT.ok : EXIT.failed;
  } catch (thrown) {
    context.err(`anamnesis: ${base}: ${asGatewayError(thrown).message}`);
    return EXIT.unavailable;
  }
};
