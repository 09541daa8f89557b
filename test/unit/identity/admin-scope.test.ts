import { describe, expect, it } from 'vitest';
import { adminRightOf } from '../../../src/identity/admin-scope.ts';
import { principalOf } from '../../../src/identity/claims.ts';
import { DEFAULT_SCOPES } from '../../../src/identity/sign-token.ts';

describe('the right to administer', () => {
  it.each([
    ['admin.read', 'read'],
    ['system/*.cruds admin.read', 'read'],
    ['admin.write', 'write'],
    ['admin.read admin.write', 'write'],
    ['system/*.cruds', undefined],
    ['admin', undefined],
    ['xadmin.write admin.writer ADMIN.WRITE', undefined],
    ['', undefined],
  ])('%j is %s', (scope, right) => {
    expect(adminRightOf(scope, 'system', true)).toBe(right);
    expect(adminRightOf(scope, 'practitioner', true)).toBe(right);
    // Another institution's words, and those of people who look after nothing here, mean nothing.
    for (const role of ['patient', 'researcher'] as const) expect(adminRightOf(scope, role, true)).toBeUndefined();
    expect(adminRightOf(scope, 'system', false)).toBeUndefined();
  });

  it('no default scope holds it', () => {
    for (const scope of Object.values(DEFAULT_SCOPES)) expect(scope).not.toContain('admin');
  });

  it('stands in the principal of an own token alone', () => {
    const claims = { sub: 'ops', role: 'practitioner', scope: 'admin.write' };
    const trust = { issuer: 'https://idp.example', roles: ['practitioner'] as const };
    expect(principalOf(claims, { ...trust, ownInstitution: true })).toMatchObject({ principal: { admin: 'write' } });
    expect(principalOf(claims, { ...trust, ownInstitution: false })).not.toHaveProperty('principal.admin');
  });
});
