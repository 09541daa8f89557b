/**
 * How far an anchored version has come in the network (docs/replication.md): shown by `Anamnesis-Level`, and waited for where a
 * request says `Prefer: ledger=mirrored` or `ledger=witnessed`, with `wait=<seconds>` (RFC 7240). The write itself is durable
 * either way; when the level is not reached in time the answer says which one is.
 */
import { GatewayError } from '../../../core/errors.ts';
import { reaches, type Level, type Levels } from '../../../services/peer-services.ts';
import type { Answer, Call } from './call.ts';

export interface LevelPreference {
  readonly level: Level;
  readonly waitMs: number;
}

/** Seconds that are waited when a request does not say. */
const DEFAULT_WAIT_SECONDS = 10;

/** What the request prefers; undefined when it says nothing of the ledger. Throws `not-supported` for any other value. */
export function levelPreference(call: Call): LevelPreference | undefined {
  let level: Level | undefined;
  let seconds = DEFAULT_WAIT_SECONDS;
  for (const part of (call.header('prefer') ?? '').split(/[,;]/)) {
    const [name = '', value = ''] = part.split('=').map((text) => text.trim().replaceAll('"', ''));
    if (name === 'ledger') {
      if (value !== 'durable' && value !== 'mirrored' && value !== 'witnessed') {
        throw new GatewayError('not-supported', 'Prefer: ledger takes durable, mirrored or witnessed');
      }
      level = value;
    }
    if (name === 'wait') {
      if (!/^\d{1,4}$/.test(value)) throw new GatewayError('not-supported', 'Prefer: wait takes whole seconds');
      seconds = Number(value);
    }
  }
  return level === undefined ? undefined : { level, waitMs: seconds * 1000 };
}

/** The answer with the level of the leaf that it names, once that is reached or the wait is over (at most `maxMs`). */
export async function withLevel(
  levels: Pick<Levels, 'of' | 'wait'> | undefined,
  answer: Answer,
  preference: LevelPreference | undefined,
  maxMs: number,
): Promise<Answer> {
  const leaf = answer.headers?.['Anamnesis-Leaf'];
  if (levels === undefined || leaf === undefined) return answer;
  const reached =
    preference === undefined
      ? levels.of(Number(leaf))
      : await levels.wait(Number(leaf), preference.level, Math.min(preference.waitMs, maxMs));
  const applied =
    preference !== undefined && reaches(reached, preference.level)
      ? { 'Preference-Applied': `ledger=${preference.level}` }
      : {};
  return { ...answer, headers: { ...answer.headers, 'Anamnesis-Level': reached, ...applied } };
}
