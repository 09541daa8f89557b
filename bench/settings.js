// What a run of the bench can be told on its command line, with defaults.
import { parseArgs } from 'node:util';

/** Throws TypeError for what it does not know. Durations in seconds. */
export function readSettings(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      seconds: { type: 'string', default: '15' },
      'warm-up': { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '16' },
      'http-connections': { type: 'string', default: '32' },
      only: { type: 'string', default: '' },
      phases: { type: 'string', default: 'oru,oru-known,oru-one,read,search-code,search-category' },
      fill: { type: 'string', default: '' },
      json: { type: 'string', default: '' },
      'cpu-prof': { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value <= 0) throw new TypeError(`--${name} must be a positive number`);
    return value;
  };
  return {
    seconds: number('seconds'),
    warmUp: number('warm-up'),
    rounds: number('rounds'),
    mllpConnections: number('connections'),
    httpConnections: number('http-connections'),
    subjects: ['gateway', 'baseline'].filter((name) => values.only === '' || values.only === name),
    phases: values.phases === '' ? [] : values.phases.split(','),
    fill: values.fill === '' ? undefined : number('fill'),
    json: values.json,
    profileDir: values['cpu-prof'],
    help: values.help,
  };
}

export const USAGE = `npm run bench -- [options]
  --seconds 15           measured time of each phase and subject
  --rounds 3             parts of that time, in which product and baseline take turns: the machine's mood meets both
  --warm-up 2            seconds before each part that do not count
  --connections 16       MLLP connections
  --http-connections 32  HTTP connections, keep-alive
  --only gateway|baseline
  --phases oru,oru-known,oru-one,read,search-code,search-category   (oru comes first: the others read what it wrote)
  --fill 1000000         then messages until the gateway holds so many resources: is the last slower than the first?
  --json FILE            all figures as JSON
  --cpu-prof DIR         CPU profile of the gateway process, for Chrome's or VS Code's viewer`;
