// The bench's figures as text, and the bars that the first slice has to reach.
const NAMES = {
  oru: 'HL7 ORU, messages',
  'oru-known': 'HL7 ORU, known patients',
  'oru-one': 'HL7 ORU, one connection',
  read: 'FHIR read by id',
  'search-code': 'FHIR search patient+code',
  'search-category': 'FHIR search patient+category',
};

/** Each bar: what, the figure, the least or most it may be. Figures that were not measured are left out. */
export function bars({ gateway, baseline }) {
  const disk = share(gateway?.oru?.bytesPerResource, baseline?.oru?.bytesPerResource);
  const found = [
    ['HL7 ORU messages/s', gateway?.oru?.perSecond, { least: 600 }],
    ['HL7 ORU resources/s', gateway?.oru?.resourcesPerSecond, { least: 7000 }],
    ['HL7 ORU, share of the baseline', share(gateway?.oru?.perSecond, baseline?.oru?.perSecond), { least: 0.6 }],
    ['HL7 ORU, p99 ms', gateway?.oru?.p99, { most: 250 }],
    ['HL7 ORU on one connection, p99 ms', gateway?.['oru-one']?.p99, { most: 15 }],
    ['disk a resource, share of the baseline', disk, { most: 1 }],
    ['FHIR reads by id/s', gateway?.read?.perSecond, { least: 2000 }],
    ['messages/s at the end of the filling, share slower', gateway?.fill?.slower, { most: 0.25 }],
  ];
  return found
    .filter(([, figure]) => figure !== undefined)
    .map(([what, figure, { least, most }]) => ({
      what,
      figure,
      bar: least === undefined ? `at most ${most}` : `at least ${least}`,
      met: least === undefined ? figure <= most : figure >= least,
    }));
}

function share(ours, theirs) {
  return ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
}

const COLUMNS = ['phase', 'subject', 'per s', 'p50 ms', 'p99 ms', 'node us', 'pg us', 'node MB', 'pg MB', 'load us'];

/** One line a phase and subject, then sizes, ratios and bars. */
export function table({ results, bars: reached, machine, settings }) {
  const rows = settings.phases.flatMap((phase) =>
    Object.entries(results).flatMap(([subject, phases]) =>
      phases[phase] ? [rowOf(phase, subject, phases[phase])] : [],
    ),
  );
  const lines = [
    `${machine.cpus} CPUs (${machine.cpu}), Node ${machine.node}; ${settings.seconds} s a phase in ${settings.rounds} rounds; ` +
      `${settings.mllpConnections} MLLP and ${settings.httpConnections} HTTP connections`,
    '',
    ...aligned([COLUMNS, ...rows]),
    '',
    ...storage(results),
    ...ratios(settings.phases, results),
    '',
    ...reached.map(({ what, figure, bar, met }) => `${met ? 'met ' : 'MISS'}  ${what}: ${round(figure)} (${bar})`),
  ];
  return lines.join('\n');
}

function rowOf(phase, subject, result) {
  return [
    NAMES[phase] ?? phase,
    subject,
    round(result.perSecond),
    result.p50.toFixed(1),
    result.p99.toFixed(1),
    round(result.nodeUs),
    round(result.postgresUs),
    round(result.nodeBytes / 1e6),
    round(result.postgresBytes / 1e6),
    round(result.loadUs),
  ];
}

function storage(results) {
  return Object.entries(results).flatMap(([subject, { oru, fill }]) => [
    ...(oru === undefined
      ? []
      : [
          `${subject}: ${round(oru.resourcesPerSecond)} resources/s, ${oru.resourcesPerMessage.toFixed(2)} resources a message, ` +
            `${round(oru.bytesPerResource)} bytes on disk a resource`,
        ]),
    ...(fill === undefined
      ? []
      : [
          `${subject}: filled to ${fill.resources} resources, ${round(fill.first)} messages/s in the first tenth and ` +
            `${round(fill.last)} in the last, ${round(fill.bytesPerResource)} bytes on disk a resource`,
        ]),
  ]);
}

function ratios(phases, { gateway, baseline }) {
  const lines = phases.flatMap((phase) => {
    const [ours, theirs] = [gateway?.[phase], baseline?.[phase]];
    const rate = share(ours?.perSecond, theirs?.perSecond);
    if (rate === undefined) return [];
    const cpu = share(theirs.nodeUs + theirs.postgresUs, ours.nodeUs + ours.postgresUs);
    return [`${NAMES[phase] ?? phase}: ${rate.toFixed(2)} of the baseline's rate, ${round(cpu)} by CPU time`];
  });
  return lines.length === 0 ? [] : ['', ...lines];
}

function round(value) {
  if (value === undefined || !Number.isFinite(value)) return '-';
  return Math.abs(value) < 10 ? value.toFixed(2) : String(Math.round(value));
}

function aligned(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  );
}
