/** What became of one thing that `anamnesis send` sent, whatever the protocol, and the summary of many. */

export interface Sent {
  readonly path: string;
  readonly accepted: boolean;
  /** In the protocol's own terms: `AA`, `0000`, `201`, or `no answer`. */
  readonly answer: string;
  readonly problem?: string;
  /** Of what was accepted: what the peer said besides. */
  readonly warning?: string;
}

/** Problems that are printed one by one; of the rest the count. */
const PROBLEMS_SHOWN = 20;

/** Lines that sum up: counts by answer, then what was refused. */
export function summary(protocol: string, sent: readonly Sent[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { answer } of sent) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  const answers = [...counts].map(([answer, count]) => `${count} × ${answer}`).join(', ');
  const accepted = sent.filter((one) => one.accepted).length;
  const refused = sent.filter((one) => !one.accepted);
  const warned = sent.filter((one) => one.warning !== undefined);
  return [
    `${protocol}: ${accepted} accepted, ${refused.length} refused (${answers})`,
    ...listed(refused),
    ...listed(warned),
  ];
}

function listed(some: readonly Sent[]): readonly string[] {
  const shown = some.slice(0, PROBLEMS_SHOWN).map(({ path, answer, problem = '', warning = '' }) => {
    return `  ${[`${path}: ${answer}`, problem, warning].filter((part) => part !== '').join(', ')}`;
  });
  return some.length > PROBLEMS_SHOWN ? [...shown, `  and ${some.length - PROBLEMS_SHOWN} more`] : shown;
}
