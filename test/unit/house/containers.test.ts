/** The container files, without an engine: they parse, name what exists, and give away no rights. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { SETTINGS } from '../../../src/config/settings.ts';

interface Service {
  readonly environment: Record<string, string>;
  readonly ports?: string[];
  readonly secrets?: string[];
  readonly volumes?: string[];
  readonly cap_drop?: string[];
  readonly security_opt?: string[];
  readonly depends_on?: Record<string, { condition: string }>;
}

const instructions = readFileSync('docker/Dockerfile', 'utf8')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => ({ name: line.split(' ', 1)[0], rest: line.slice(line.indexOf(' ') + 1) }));

const compose: { services: Record<string, Service>; secrets: object; volumes: object } = parse(
  readFileSync('docker/compose.yaml', 'utf8'),
);

test('every instruction of the Dockerfile is one', () => {
  const known = [
    'FROM',
    'WORKDIR',
    'COPY',
    'RUN',
    'ENV',
    'USER',
    'VOLUME',
    'EXPOSE',
    'HEALTHCHECK',
    'STOPSIGNAL',
    'ENTRYPOINT',
    'CMD',
  ];
  expect(instructions.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([]);
  expect(instructions.length).toBeGreaterThan(15);
});

test('the image is built in stages on the Node that package.json asks for, and runs without rights', () => {
  const bases = instructions.filter(({ name }) => name === 'FROM').map(({ rest }) => rest);
  expect(bases).toHaveLength(2);
  for (const base of bases) expect(base).toMatch(/^node:20-/);
  expect(instructions.findLast(({ name }) => name === 'USER')?.rest).toMatch(/^[1-9]\d*$/);
});

test('what the image copies is in the tree', () => {
  const copied = instructions
    .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from'))
    .flatMap(({ rest }) => rest.split(' ').slice(0, -1));
  expect(copied.filter((file) => !existsSync(file))).toEqual([]);
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n');
  expect(copied.filter((file) => ignored.includes(file))).toEqual([]);
});

test('compose prepares one Postgres and runs one gateway on it, with settings that exist', () => {
  expect(Object.keys(compose.services)).toEqual(['prepare', 'gateway', 'postgres']);
  const { prepare, gateway, postgres } = compose.services;
  for (const { environment, cap_drop, security_opt } of [prepare, gateway]) {
    expect(Object.keys(environment).filter((name) => !Object.hasOwn(SETTINGS, name))).toEqual([]);
    expect([cap_drop, security_opt]).toEqual([['ALL'], ['no-new-privileges:true']]);
  }
  expect(prepare.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
  expect(gateway.depends_on).toEqual({
    postgres: { condition: 'service_healthy' },
    prepare: { condition: 'service_completed_successfully' },
  });
  expect(postgres.ports).toBeUndefined();
  for (const { secrets = [], volumes = [] } of [prepare, gateway, postgres]) {
    expect(secrets.filter((name) => !Object.hasOwn(compose.secrets, name))).toEqual([]);
    const named = volumes.map((volume) => volume.split(':')[0]);
    const [files, kept] = [named.filter((name) => name.startsWith('.')), named.filter((name) => !name.startsWith('.'))];
    expect(kept.filter((name) => !Object.hasOwn(compose.volumes, name))).toEqual([]);
    expect(files.filter((name) => !existsSync(join('docker', name)))).toEqual([]);
  }
});

test('the gateway does not get the account that could change the ledger', () => {
  const { prepare, gateway } = compose.services;
  expect(prepare.environment.DATABASE_URL).toBe(gateway.environment.DATABASE_URL);
  expect(prepare.environment.DATABASE_ADMIN_URL).toMatch(/\/\/postgres:/);
  expect(JSON.stringify(gateway)).not.toMatch(/POSTGRES_PASSWORD|postgres-password|\/\/postgres:/);
});

test('plain listeners are published on the loopback only', () => {
  const { ports = [] } = compose.services.gateway;
  expect(ports).toHaveLength(3);
  for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
});

test('no secret stands in the files', () => {
  expect(JSON.stringify(compose)).not.toMatch(/PASSWORD":"(?!\$\{)/);
});
