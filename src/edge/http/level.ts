/**
 * How far an anchored version has come in the network (docs/replication.md): shown by `Anamnesis-Level`, and waited for where a
 * request says `Prefer: ledger=mirrored` or `ledger=witnessed`, with `wait=<seconds>` (RFC 7240). The write itself is durable
 * either way; when the level is not reached in time the answer says which one is.
 */
import { GatewayError } from '../../core/errors.ts';
import { reaches, type Level, type Levels } from '../../services/peer-services.ts';
import type { Answer } from './fhir/call.ts';

export interface LevelPreference {
  readonly level: Level;
  readonly waitMs: number;
}

/** Seconds that are waited when a request does not say. */
const DEFAULT_WAIT_SECONDS = 10;

/** What a `Prefer` header says of the ledger; undefined when it says nothing. Throws `not-supported` for any other value. */
export function levelPreference(prefer: string | undefined): LevelPreference | undefined {
  let level: Level | undefined;
  let seconds = DEFAULT_WAIT_SECONDS;
  for (const part of (prefer ?? '').split(/[,;]/)) {
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

/** Headers that say which level a leaf has reached, once the preferred one is there or the wait (at most `maxMs`) is over. */
export async function levelHeaders(
  levels: Pick<Levels, 'of' | 'wait'>,
  leaf: number,
  preference: LevelPreference | undefined,
  maxMs: number,
): Promise<Readonly<Record<string, string>>> {
  const reached =
    preference === undefined
      ? levels.of(leaf)
      : await levels.wait(leaf, preference.level, Math.min(preference.waitMs, maxMs));
  const applied = preference !== undefined && reaches(reached, preference.level);
  return {
    'Anamnesis-Level': reached,
    ...(applied ? { 'Preference-Applied': `ledger=${preference.level}` } : {}),
  };
}

/** The answer with the level of the leaf that it names, unless it says that already. */
export async function withLevel(
  levels: Pick<Levels, 'of' | 'wait'> | undefined,
  answer: Answer,
  preference: LevelPreference | undefined,
  maxMs: number,
): Promise<Answer> {
  const { 'Anamnesis-Leaf': leaf, 'Anamnesis-Level': said } = answer.headers ?? {};
  if (levels === undefined || leaf === undefined || said !== undefined) return answer;
  return {
    ...answer,
    headers: { ...answer.headers, ...(await levelHeaders(levels, Number(leaf), preference, maxMs)) },
  };
}
