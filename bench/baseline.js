// The baseline that the product is measured against: the same MLLP listener, parser, conversion, validation and token check on
// the same kind of Postgres (embedded, fsync on), with resources as plain JSONB. No cryptography, no consent, no ledger. It
// exists for `npm run bench` and serves nobody else.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { loadConfig } from '../dist/config/load.js';
import { systemClock } from '../dist/core/clock.js';
import { silentLog } from '../dist/core/log.js';
import { systemRandom } from '../dist/core/random.js';
import { bearerAuthentication } from '../dist/edge/http/authenticate.js';
import { startMllpListener } from '../dist/edge/mllp/listener.js';
import { MLLP_DEFAULTS } from '../dist/edge/mllp/settings.js';
import { ownIssuer } from '../dist/identity/own-issuer.js';
import { issueToken } from '../dist/identity/sign-token.js';
import { createTokenVerifier } from '../dist/identity/verify-token.js';
import { generateKeySet } from '../dist/keys/key-set-codec.js';
import { makeSourceProfile } from '../dist/normalize/hl7v2/source-profile.js';
import { acceptHl7v2, refuseHl7v2 } from '../dist/services/accept-hl7v2.js';
import { onlySource } from '../dist/services/sources.js';
import { startEmbeddedPostgres } from '../dist/storage/embedded-postgres/embedded-postgres.js';
import { openPool } from '../dist/storage/pg/pool.js';
import { baselineApp } from './baseline/http.js';
import { baselineWriter } from './baseline/writer.js';

const { config, errors } = loadConfig(process.env, process.cwd());
if (config === undefined) throw new Error(errors.join('\n'));
const postgres = await startEmbeddedPostgres({ dataDir: config.dataDir, log: silentLog });
const settings = { max: config.databaseConnections, statementTimeoutMs: 60_000 };
const pool = openPool({ ...postgres.connection }, settings, () => {});
await pool.query(readFileSync(new URL('./baseline/schema.sql', import.meta.url), 'utf8'));

const { issuer: key } = generateKeySet(systemRandom);
const { origin, tokenAudience: audience } = config;
const verifier = createTokenVerifier({ issuers: [ownIssuer(origin, key)], audience }, systemClock);
const token = await issueToken(
  { origin, audience, key },
  { role: 'practitioner', subject: 'dr-bench', ttlSeconds: 36_000 },
  systemClock,
  systemRandom,
);
writeFileSync(join(config.dataDir, 'token'), token);

const deps = {
  writer: baselineWriter(pool),
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  sources: onlySource(makeSourceProfile(config.source)),
};
const mllp = await startMllpListener(
  {
    accept: (bytes) => acceptHl7v2(deps, bytes),
    refuse: (head, error) => refuseHl7v2(deps, head, error),
    log: { ...silentLog, error: (fields) => console.error(JSON.stringify(fields)) },
  },
  { ...MLLP_DEFAULTS, host: '127.0.0.1', port: 0 },
);
const server = createServer(baselineApp(pool, bearerAuthentication(verifier), origin));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

process.once('SIGTERM', () => {
  server.closeAllConnections();
  void mllp
    .close()
    .then(() => pool.end())
    .then(() => postgres.stop())
    .then(() => process.exit(0));
});
console.log(`  FHIR  http://127.0.0.1:${server.address().port}/fhir`);
console.log(`  MLLP  127.0.0.1:${mllp.port}`);
console.log('ready');
