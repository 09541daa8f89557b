/** MLLP over TLS, with a certificate made for this run. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectMllp } from '../../../src/clients/mllp.ts';
import { silentLog } from '../../../src/core/log.ts';
import { startMllpListener, type MllpListener } from '../../../src/edge/mllp/listener.ts';
import { MLLP_DEFAULTS } from '../../../src/edge/mllp/settings.ts';
import { parseAck } from '../../../src/formats/hl7v2/ack.ts';
import { acceptHl7v2, refuseHl7v2 } from '../../../src/services/accept-hl7v2.ts';
import { fakeWriter, serviceDeps } from '../../support/hl7v2-writer.ts';
import { oru } from '../../support/hl7v2.ts';

const hasOpenssl = (process.env.PATH ?? '')
  .split(delimiter)
  .some((dir) => statSync(join(dir, 'openssl'), { throwIfNoEntry: false })?.isFile() === true);
if (!hasOpenssl) console.log('openssl is not installed: MLLP over TLS is skipped');

describe.skipIf(!hasOpenssl)('MLLP over TLS', () => {
  let folder: string;
  let listener: MllpListener;
  let cert: Buffer;
  let key: Buffer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mllp-tls-'));
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const files = ['-keyout', keyPath, '-out', certPath];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      ...files,
      ...subject,
    ]);
    [key, cert] = await Promise.all([readFile(keyPath), readFile(certPath)]);
    const deps = serviceDeps(fakeWriter());
    listener = await startMllpListener(
      {
        accept: (bytes) => acceptHl7v2(deps, bytes),
        refuse: (head, error) => refuseHl7v2(deps, head, error),
        log: silentLog,
      },
      {
        ...MLLP_DEFAULTS,
        host: '127.0.0.1',
        port: 0,
        tls: { key, cert, ca: cert, requestCert: true, rejectUnauthorized: true },
      },
    );
  });
  afterAll(async () => {
    await listener.close();
    await rm(folder, { recursive: true, force: true });
  });
  const peer = () => ({ host: '127.0.0.1', port: listener.port, timeoutMs: 20_000 });
  const message = Buffer.from(oru({ obx: [] }));

  it('answers who shows a certificate of the authority', async () => {
    const client = await connectMllp({ ...peer(), tls: { ca: cert, cert, key } });
    expect(parseAck(await client.send(message))?.code).toBe('AA');
    client.close();
  });

  it('bounds handshakes in time and in number', async () => {
    const incidents: string[] = [];
    const bounded = await startMllpListener(
      { accept: async () => [], refuse: () => [], log: silentLog, observe: (incident) => incidents.push(incident) },
      { ...MLLP_DEFAULTS, host: '127.0.0.1', port: 0, handshakeMs: 200, maxConnections: 4, tls: { key, cert } },
    );
    const silent = Array.from({ length: 12 }, () => connect(bounded.port, '127.0.0.1'));
    await Promise.all(silent.map((socket) => once(socket.on('error', () => {}).resume(), 'close')));
    expect(new Set(incidents)).toEqual(new Set(['too-many-connections', 'tls-refused']));
    await bounded.close();
  });

  it('keeps out who shows none, and who does not speak TLS', async () => {
    const anonymous = connectMllp({ ...peer(), tls: { ca: cert } }).then((client) => client.send(message));
    await expect(anonymous).rejects.toMatchObject({ code: 'unavailable' });
    const plain = await connectMllp(peer());
    await expect(plain.send(message)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
