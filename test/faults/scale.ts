/** How much the fault tests do: little in `npm test`, much in `npm run test:faults`; FAULT_SEED repeats what is random. */
export const LONG = process.env.FAULTS === 'long';
export const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
