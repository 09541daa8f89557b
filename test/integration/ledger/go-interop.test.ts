/**
 * Our log against the Go team's own verifier (golang.org/x/mod/sumdb: note, tlog), over HTTP. Skipped where there is no
 * `go`, or where its module can be had neither from the cache nor from the proxy.
 */
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/core/log.ts';
import { ledgerRouter } from '../../../src/edge/http/ledger/router.ts';
import { parseNote, parseVkey, verifyNote } from '../../../src/ledger/note.ts';
import { readLedger } from '../../../src/services/read-ledger.ts';
import { digestsOf, MemoryLog, ORIGIN } from '../../unit/ledger/support.ts';

const program = fileURLToPath(new URL('../../interop/ledger', import.meta.url));
// `go` writes nothing to the repository and asks for no other toolchain.
const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };
const options = { cwd: program, env, encoding: 'utf8', timeout: 60_000 } as const;
const ready = spawnSync('go', ['mod', 'download'], options).status === 0;
if (!ready) console.info('`go` or golang.org/x/mod is not at hand: the interop test with Go is skipped');

describe.skipIf(!ready)('the Go packages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'anamnesis-interop-'));
  const binary = join(folder, 'interop');
  const run = promisify(execFile);
  let server: Server;

  beforeAll(async () => {
    await run('go', ['build', '-o', binary, '.'], { ...options, timeout: 110_000 });
    const log = new MemoryLog();
    for (const to of [1, 2, 255, 300, 65_700, 66_000]) await log.append(digestsOf(to - log.size, log.size));
    const reader = {
      latestBlock: async () => log.blocks.at(-1),
      blocks: async (from: number, limit: number) => log.blocks.slice(from, from + limit),
      leafDigests: (from: number, to: number) => log.digests(from, to),
      tile: (level: number, index: number) => log.tile(level, index),
      document: async () => undefined,
    };
    const ledger = readLedger({ reader, origin: ORIGIN, logPublicKey: log.key.rawPublicKey });
    server = createServer(express().use('/ledger', ledgerRouter({ ledger, log: silentLog }))).listen(0, '127.0.0.1');
    await once(server, 'listening');
  }, 120_000);
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('open our checkpoints and prove entries, blocks and receipts over our tiles', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ledger`;
    const { stdout } = await run(binary, ['log', url], { ...options, timeout: 60_000 });
    expect(stdout).toBe('size 66000, 66000 leaves, 6 blocks\n');
  });

  it('sign notes that we verify', async () => {
    const { stdout } = await run(binary, ['note'], { ...options, timeout: 60_000 });
    const end = stdout.indexOf('\n');
    const key = parseVkey(stdout.slice(0, end));
    const note = parseNote(stdout.slice(end + 1));
    expect(note && key && verifyNote(note, [key])).toEqual([key]);
  });
});
