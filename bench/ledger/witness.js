// The witness: add-checkpoint of many logs at once, with signature checks, proofs, and the state durable before the answer.
import { createHash, generateKeyPairSync } from 'node:crypto';
import { silentLog } from '../../dist/core/log.js';
import { signCheckpoint } from '../../dist/ledger/checkpoint.js';
import { appendLeaves, leafHash } from '../../dist/ledger/merkle.js';
import { KEY_ED25519, verifierKey } from '../../dist/ledger/note.js';
import { EMPTY_POLICY } from '../../dist/ledger/policy.js';
import { encodeAddCheckpoint } from '../../dist/ledger/witness-message.js';
import { consistencyProof } from '../../dist/ledger/consistency.js';
import { createWitness } from '../../dist/replication/witness.js';
import { openSuspensions } from '../../dist/replication/suspensions.js';
import { trustOf } from '../../dist/replication/trust.js';
import { checkpointStore } from '../../dist/storage/pg/checkpoint-store.js';
import { suspensionStore } from '../../dist/storage/pg/notice-store.js';
import { startDatabase } from './database.js';

const LOGS = 256;
const ROUNDS = 40;

function signer(name) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { name, privateKey, rawPublicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url') };
}

/** The same growing tree for all logs: roots and proofs of sizes 1000, 1001 ... */
async function tree() {
  const leaves = Array.from({ length: 1000 + ROUNDS }, (_, i) =>
    leafHash(createHash('sha256').update(String(i)).digest()),
  );
  const read = async (nodes) =>
    nodes.map(
      ({ level, index }) => appendLeaves(0, [], leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)).root,
    );
  const heads = [];
  for (let size = 1000; size < leaves.length; size += 1) {
    const { root } = appendLeaves(0, [], leaves.slice(0, size));
    heads.push({ size, root, proof: size === 1000 ? [] : await consistencyProof(read, size - 1, size) });
  }
  return heads;
}

export async function measure() {
  const database = await startDatabase();
  try {
    const signers = Array.from({ length: LOGS }, (_, i) => signer(`log-${i}.example/anamnesis`));
    const logs = signers.map((log) => ({ key: verifierKey(log.name, KEY_ED25519, log.rawPublicKey), url: undefined }));
    const policy = { ...EMPTY_POLICY, logs };
    const own = signer('witness.example/w');
    const suspensions = await openSuspensions({
      policy,
      store: suspensionStore(database.pool, async () => {}),
      clock: { now: () => Date.now() },
      signer: own,
      isAnchored: () => false,
      onChange: () => {},
    });
    const witness = createWitness({
      // As in the gateway: whether a log is suspended is asked of the database at every request.
      trust: trustOf(
        policy,
        (origin) => suspensions.has(origin),
        (origin) => suspensions.hasNow(origin),
      ),
      store: checkpointStore(database.pool, 'witness'),
      clock: { now: () => Date.now() },
      signer: own,
      onEquivocation: () => silentLog.error({ event: 'equivocation' }),
    });
    const heads = await tree();
    const bodies = signers.map((log) =>
      heads.map(({ size, root, proof }, i) =>
        encodeAddCheckpoint(i === 0 ? 0 : size - 1, proof, signCheckpoint(log.name, size, root, log)),
      ),
    );
    await Promise.all(bodies.map((own) => witness.addCheckpoint(own[0])));
    const cpu = process.cpuUsage();
    const started = performance.now();
    await Promise.all(
      bodies.map(async (own) => {
        for (const body of own.slice(1)) {
          const { status } = await witness.addCheckpoint(body);
          if (status !== 200) throw new Error(`status ${status}`);
        }
      }),
    );
    const seconds = (performance.now() - started) / 1000;
    const used = process.cpuUsage(cpu);
    const count = LOGS * (heads.length - 1);
    const cpuSeconds = (used.user + used.system) / 1e6;
    return [
      {
        name: 'witness, add-checkpoint',
        value: count / seconds,
        unit: '/s',
        detail: `${LOGS} logs at once, durable; wall clock`,
      },
      {
        name: 'witness, add-checkpoint a core',
        value: count / cpuSeconds,
        unit: '/cpu-s',
        bar: 5000,
        detail: 'CPU of the gateway process',
      },
    ];
  } finally {
    await database.stop();
  }
}
