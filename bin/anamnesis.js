#!/usr/bin/env node
// The `anamnesis` command. Committed JavaScript, so that it runs right after `npm ci`, before anything was compiled.
import { build } from './build.js';

build();
const { main } = await import('../dist/cli/main.js');
await main(process.argv.slice(2));
