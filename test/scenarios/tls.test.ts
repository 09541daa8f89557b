/** All three listeners under TLS, and `anamnesis send` through them, with a certificate that only the configuration knows. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleCtFile, SAMPLE_CT } from '../../src/cli/samples/dicom.ts';
import { sampleOru } from '../../src/cli/samples/hl7v2.ts';
import { runCommand, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl) console.log('openssl is not installed: listeners under TLS are not tested');

describe.skipIf(!hasOpenssl)('listeners under TLS', () => {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis tls '));
  const cert = join(root, 'cert.pem');
  const key = join(root, 'key.pem');
  const files = ['HTTP', 'MLLP', 'DICOM'].flatMap((name) => [
    [`TLS_${name}_CERT_FILE`, cert],
    [`TLS_${name}_KEY_FILE`, key],
  ]);
  const env: Record<string, string> = Object.fromEntries(files);
  let gateway: GatewayProcess;

  beforeAll(async () => {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    gateway = await startGatewayProcess({ dataDir: root, env });
    writeFileSync(join(root, 'a.hl7'), sampleOru(1));
    writeFileSync(join(root, 'a.dcm'), sampleCtFile(SAMPLE_CT));
    writeFileSync(join(root, 'a.json'), JSON.stringify({ resourceType: 'Organization', name: 'St Mary' }));
  });
  afterAll(async () => {
    await gateway.stop();
    rmSync(root, { recursive: true, force: true });
  });

  /** The configuration of the running gateway, with the ports that it got. */
  const configured = (): { dataDir: string; cwd: string; env: Record<string, string> } => {
    const ports = {
      HTTP_PORT: new URL(gateway.http).port,
      MLLP_PORT: gateway.mllp.port,
      DICOM_PORT: gateway.dicom.port,
    };
    const texts = Object.entries(ports).map(([name, port]) => [name, String(port)] as const);
    return { dataDir: root, cwd: root, env: { ...env, ...Object.fromEntries(texts) } };
  };

  test('the table says so', () => {
    expect(gateway.http).toMatch(/^https:/);
    expect(gateway.output()).toMatch(/MLLP .*\(TLS\)/);
    expect(gateway.output()).toMatch(/DIMSE .*\(TLS\)/);
  });

  test('every protocol is taken', async () => {
    const { code, stdout } = await runCommand(['send', 'a.hl7', 'a.dcm', 'a.json'], configured());
    expect([code, stdout]).toEqual([0, expect.stringMatching(/1 × AA[\s\S]*1 × 0000[\s\S]*1 × 201/)]);
  });

  test('a client that does not know the certificate sends nothing', async () => {
    const target = `localhost:${gateway.mllp.port}`;
    const { code, stdout } = await runCommand(['send', '--mllp', target, 'a.hl7'], configured());
    expect([code, stdout]).toEqual([1, expect.stringContaining('no answer')]);
  });

  test('plain text gets no answer', async () => {
    const { port } = gateway.mllp;
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connectPlain({ host: '127.0.0.1', port }, () => socket.write(`\u000b${sampleOru(2)}\u001c\r`));
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
    expect(answer).not.toContain('MSA');
  });

  test('the gateway is asked for its health by its own settings', async () => {
    const { code, stdout } = await runCommand(['health'], configured());
    expect([code, stdout]).toEqual([0, expect.stringContaining('"status":"ready"')]);
    const away = await runCommand(['health'], { ...configured(), env: { ...configured().env, HTTP_PORT: '1' } });
    expect([away.code, away.stderr]).toEqual([69, expect.stringContaining('no answer')]);
  });

  test('a certificate that is none, or not that of the key, is a wrong setting', async () => {
    const other = join(root, 'other.pem');
    execFileSync('openssl', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', other], {
      stdio: 'ignore',
    });
    const wrong = { ...env, TLS_HTTP_CERT_FILE: join(root, 'a.hl7'), TLS_MLLP_KEY_FILE: other };
    const { code, stderr } = await runCommand(['start'], { dataDir: root, env: wrong });
    expect([code, stderr.split('\n').slice(1, 3)]).toEqual([
      78,
      [expect.stringContaining('TLS_HTTP_CERT_FILE: '), expect.stringContaining('TLS_MLLP_KEY_FILE: ')],
    ]);
  });
});

describe.skipIf(!hasOpenssl)('certificates of an authority, which clients must show too', () => {
  const root = mkdtempSync(join(tmpdir(), 'anamnesis mtls '));
  const file = (name: string): string => join(root, name);
  const env = Object.fromEntries(
    ['HTTP', 'MLLP', 'DICOM'].flatMap((name) => [
      [`TLS_${name}_CERT_FILE`, file('server.pem')],
      [`TLS_${name}_KEY_FILE`, file('server.key')],
      [`TLS_${name}_CA_FILE`, file('clients.pem')],
    ]),
  );
  let gateway: GatewayProcess;

  /** A certificate of its own authority: the listener's and its clients' are two, as in hospitals that do not run theirs. */
  const issue = (name: string, authority: string): void => {
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const root_ = ['-keyout', file(`${authority}.key`), '-out', file(`${authority}.pem`), '-subj', `/CN=${authority}`];
    openssl('req', '-x509', ...key, '-days', '2', ...root_);
    openssl('req', ...key, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${name}`);
    writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    const signed = [
      '-CA',
      file(`${authority}.pem`),
      '-CAkey',
      file(`${authority}.key`),
      '-CAcreateserial',
      '-days',
      '2',
    ];
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      ...signed,
      '-extfile',
      file('ext'),
      '-out',
      file(`${name}.pem`),
    );
  };

  beforeAll(async () => {
    issue('server', 'servers');
    issue('client', 'clients');
    writeFileSync(file('a.hl7'), sampleOru(1));
    writeFileSync(file('a.json'), JSON.stringify({ resourceType: 'Organization', name: 'St Mary' }));
    gateway = await startGatewayProcess({ dataDir: root, env: { ...env, MLLP_UNBOUND_CLIENTS: 'accept' } });
  });
  afterAll(async () => {
    await gateway.stop();
    rmSync(root, { recursive: true, force: true });
  });

  const configured = (): { dataDir: string; cwd: string; env: Record<string, string> } => {
    const ports = { HTTP_PORT: new URL(gateway.http).port, MLLP_PORT: String(gateway.mllp.port) };
    return { dataDir: root, cwd: root, env: { ...env, ...ports } };
  };

  test('send shows the certificate that it is given, to HTTP too', async () => {
    const shown = ['--cert', 'client.pem', '--key', 'client.key'];
    const { code, stdout } = await runCommand(['send', ...shown, 'a.hl7', 'a.json'], configured());
    expect([code, stdout]).toEqual([0, expect.stringMatching(/1 × AA[\s\S]*1 × 201/)]);
  });

  test('send says which arguments are missing', async () => {
    const { code, stderr } = await runCommand(['send', 'a.hl7'], configured());
    expect([code, stderr]).toEqual([64, expect.stringContaining('--cert FILE --key FILE')]);
  });

  test('health without a certificate that the listener takes does not say ready', async () => {
    const { code, stdout } = await runCommand(['health'], configured());
    expect([code, stdout]).toEqual([69, '']);
    const shown = await runCommand(['health', '--cert', 'client.pem', '--key', 'client.key'], configured());
    expect(shown.code).toBe(0);
  });
});
