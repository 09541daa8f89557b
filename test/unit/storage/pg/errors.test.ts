import { expect, it } from 'vitest';
import { GatewayError } from '../../../../src/core/errors.ts';
import { storeError } from '../../../../src/storage/pg/errors.ts';

function formOf(error: Error): readonly [string, string] {
  try {
    return storeError(error);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    return [thrown.code, thrown.message];
  }
}

it.each([
  ['28P01', /password/],
  ['28000', /account/],
  ['3D000', /no database of that name/],
  ['ENOTFOUND', /cannot be resolved/],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /sslrootcert/],
  ['ECONNREFUSED', /cannot be reached/],
])('%s is something to mend, and work goes on once it is', (code, advice) => {
  const [found, message] = formOf(Object.assign(new Error('detail of the server: SECRET'), { code }));
  expect([found, message]).toEqual(['unavailable', expect.stringMatching(advice)]);
  expect(message).not.toContain('SECRET');
});

it('tells a server without TLS from one that is away', () => {
  const [, message] = formOf(new Error('The server does not support SSL connections'));
  expect(message).toMatch(/takes no TLS/);
});

it('a right that is missing is not tried again, and names who has it', () => {
  const [code, message] = formOf(Object.assign(new Error('permission denied for table SECRET'), { code: '42501' }));
  expect([code, message]).toEqual(['internal', expect.stringMatching(/DATABASE_ADMIN_URL/)]);
});
