import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canReach, serverAccount } from '../../../../src/storage/embedded-postgres/account.ts';

const folder = mkdtempSync(join(tmpdir(), 'anamnesis-account-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('only root switches to another account', () => {
  const account = serverAccount(join(folder, 'none'));
  expect(account === undefined).toBe(userInfo().uid !== 0);
  expect(account?.uid).not.toBe(0);
});

test('a folder that others cannot pass through is out of reach, for what lies below as well', () => {
  const other = { uid: 65534, gid: 65534 };
  const inner = join(folder, 'a', 'b');
  mkdirSync(inner, { recursive: true });
  chmodSync(folder, 0o711);
  expect(canReach(inner, other)).toBe(true);
  chmodSync(join(folder, 'a'), 0o700);
  expect(canReach(inner, other)).toBe(false);
  expect(canReach(join(inner, 'not-there-yet'), other)).toBe(false);
  expect(canReach(inner, undefined)).toBe(true);
  expect(canReach(inner, { uid: userInfo().uid, gid: userInfo().gid })).toBe(true);
});
