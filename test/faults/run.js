// `npm run test:faults [-- --rounds N] [--seed S]`: the fault tests in their long form, some minutes; of `npm test` they are a
// part in the short one. `--rounds`: how often a gateway under load is killed; `--seed` repeats what is random.
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' } } });
process.env.FAULTS = 'long';
if (values.rounds !== undefined) process.env.FAULT_ROUNDS = values.rounds;
if (values.seed !== undefined) process.env.FAULT_SEED = values.seed;
process.argv.splice(2, Infinity, 'test/faults');
await import('../run.js');
