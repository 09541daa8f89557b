// `npm run test:faults -- --rounds N [--seed S]`: the crash tests for as many rounds as wanted.
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' } } });
if (values.rounds !== undefined) process.env.FAULT_ROUNDS = values.rounds;
if (values.seed !== undefined) process.env.FAULT_SEED = values.seed;
process.argv.splice(2, Infinity, 'test/faults');
await import('../run.js');
