import { describe, expect, it } from 'vitest';
import { CURSOR_TTL_MS } from '../../../src/core/limits.ts';
import type { Principal } from '../../../src/core/principal.ts';
import { systemRandom } from '../../../src/core/random.ts';
import type { IndexSecret } from '../../../src/keys/index-secret.ts';
import { openCursor, sealCursor, type Cursor } from '../../../src/services/search-cursor.ts';

const secret = Buffer.alloc(32, 7) as IndexSecret;
const principal: Principal = {
  issuer: 'https://a.example',
  subject: 'dr-a',
  role: 'practitioner',
  purpose: 'TREAT',
  scopes: [],
  ownInstitution: true,
};
const cursor: Cursor = {
  type: 'Observation',
  parameters: [['patient', 'p-secret']],
  count: 20,
  size: 17,
  place: { kind: 'ids', done: 3 },
  total: 5,
};
const NOW = 1_800_000_000_000;
const seal = (by = principal): string => sealCursor(secret, by, cursor, NOW, systemRandom);

describe('a paging token', () => {
  it('gives back what was sealed, and shows nothing of it', () => {
    expect(openCursor(secret, principal, seal(), NOW)).toMatchObject(cursor);
    expect(Buffer.from(seal(), 'base64url').toString('latin1')).not.toContain('p-secret');
    expect(seal()).not.toBe(seal());
  });

  it('expires', () => {
    const text = seal();
    expect(openCursor(secret, principal, text, NOW + CURSOR_TTL_MS)).toMatchObject(cursor);
    expect(() => openCursor(secret, principal, text, NOW + CURSOR_TTL_MS + 1)).toThrow(
      expect.objectContaining({ code: 'expired' }),
    );
  });

  it('opens for nobody else, under no other secret, and not when a byte was changed', () => {
    const text = seal();
    const wrong = expect.objectContaining({ code: 'invalid-syntax' });
    const others: readonly Partial<Principal>[] = [
      { subject: 'dr-b' },
      { issuer: 'https://b.example' },
      { role: 'system' },
      { client: 'app' },
      { patient: 'p' },
      { purpose: 'BTG' },
    ];
    for (const other of others) {
      expect(() => openCursor(secret, { ...principal, ...other }, text, NOW)).toThrow(wrong);
    }
    expect(() => openCursor(Buffer.alloc(32, 8) as IndexSecret, principal, text, NOW)).toThrow(wrong);
    const bytes = Buffer.from(text, 'base64url');
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at] ^= 1;
      expect(() => openCursor(secret, principal, changed.toString('base64url'), NOW)).toThrow(wrong);
    }
    for (const garbage of ['', 'x', '====', 'AAAA', `${text}A`]) {
      expect(() => openCursor(secret, principal, garbage, NOW)).toThrow(wrong);
    }
  });
});
