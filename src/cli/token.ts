/**
 * `anamnesis token`: prints a bearer token of the built-in issuer. Works for who can read the key file; no gateway need
 * run. The token is all that goes to standard output, so that it can be used in a command substitution.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../core/clock.ts';
import { systemRandom } from '../core/random.ts';
import { GatewayError } from '../core/errors.ts';
import { issueToken, type TokenRequest } from '../identity/sign-token.ts';
import { EXIT, UsageError, type Command } from './command.ts';
import { keyProvider } from './keys.ts';
import { readSettings } from './settings.ts';

export const token: Command = async (args, context) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      role: { type: 'string' },
      sub: { type: 'string' },
      patient: { type: 'string' },
      purpose: { type: 'string' },
      scope: { type: 'string' },
      ttl: { type: 'string' },
      organization: { type: 'string' },
      user: { type: 'string' },
      client: { type: 'string' },
    },
  });
  if (values.role === undefined || values.sub === undefined)
    throw new UsageError('token needs --role and --sub; see `npx anamnesis token --help`');
  const config = readSettings(context);
  const { keySet } = await keyProvider(config).load({ create: false });
  const request: TokenRequest = {
    role: values.role,
    subject: values.sub,
    ...(values.patient === undefined ? {} : { patient: values.patient }),
    ...(values.purpose === undefined ? {} : { purpose: values.purpose }),
    ...(values.scope === undefined ? {} : { scope: values.scope }),
    ...(values.ttl === undefined ? {} : { ttlSeconds: Number(values.ttl) }),
    ...(values.organization === undefined ? {} : { organization: values.organization }),
    ...(values.user === undefined ? {} : { fhirUser: values.user }),
    ...(values.client === undefined ? {} : { client: values.client }),
  };
  const issuer = { origin: config.origin, audience: config.tokenAudience, key: keySet.issuer };
  try {
    context.out(await issueToken(issuer, request, systemClock, systemRandom));
  } catch (thrown) {
    // All of it came from the command line.
    if (thrown instanceof GatewayError && thrown.code === 'invalid-content') throw new UsageError(thrown.message);
    throw thrown;
  }
  if (values.scope !== undefined && !/(^| )((patient|user|system)\/|admin\.)/.test(values.scope))
    context.err(
      'anamnesis: this token permits nothing: none of its scopes is a resource scope (user/*.rs) or admin.read, admin.write',
    );
  return EXIT.ok;
};
