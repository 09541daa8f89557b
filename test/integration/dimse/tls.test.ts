/** DICOM over TLS (PS3.15 annex B), with a certificate made for this run. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAssociation } from '../../../src/clients/dicom.ts';
import { startDicomGateway, type DicomGateway } from '../../support/dicom-gateway.ts';

const hasOpenssl = (process.env.PATH ?? '')
  .split(delimiter)
  .some((dir) => statSync(join(dir, 'openssl'), { throwIfNoEntry: false })?.isFile() === true);
if (!hasOpenssl) console.log('openssl is not installed: DICOM over TLS is skipped');

describe.skipIf(!hasOpenssl)('DICOM over TLS', () => {
  let folder: string;
  let gateway: DicomGateway;
  let cert: Buffer;
  let key: Buffer;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dimse-tls-'));
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    await promisify(execFile)('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      keyPath,
      '-out',
      certPath,
      ...subject,
    ]);
    [key, cert] = await Promise.all([readFile(keyPath), readFile(certPath)]);
    gateway = await startDicomGateway({
      tls: { key, cert, ca: cert, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await rm(folder, { recursive: true, force: true });
  });
  const peer = () => ({ host: '127.0.0.1', port: gateway.port, calledAe: 'A', callingAe: 'B', timeoutMs: 20_000 });

  it('lets in who shows a certificate of the authority', async () => {
    const association = await openAssociation({ ...peer(), tls: { ca: cert, cert, key } }, []);
    expect(await association.echo()).toMatchObject({ status: 0 });
    await association.release();
  });

  it('keeps out who shows none, and who does not speak TLS', async () => {
    await expect(openAssociation({ ...peer(), tls: { ca: cert } }, [])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(openAssociation(peer(), [])).rejects.toMatchObject({ code: 'unavailable' });
    const association = await openAssociation({ ...peer(), tls: { ca: cert, cert, key } }, []);
    await association.release();
  });
});
