/** Mirror by pull: the follower of `followers/pull-logs` over the policy file's logs, in the process that leads. */
import type { Config } from '../config/config.ts';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { startPullLogs, type PullLogs } from '../followers/pull-logs.ts';
import { mirrorsOf, type Policy } from '../ledger/policy.ts';
import type { OwnMember } from '../replication/member.ts';
import type { Mirror } from '../replication/mirror.ts';
import type { PeerHttp } from '../replication/peer-ports.ts';
import { pullLog } from '../replication/pull.ts';
import { originHash, type Trust } from '../replication/trust.ts';
import { checkpointStore } from '../storage/pg/checkpoint-store.ts';
import { PULL_LOCK, seekLeadership } from '../storage/pg/leader.ts';
import type { Pool } from '../storage/pg/pool.ts';
import type { Teardown } from './teardown.ts';

/** `MIRROR_PULL` for every log of the policy that has an URL. */
const ALL = 'all';

export interface PullParts {
  readonly config: Config;
  /** The policy of the moment, and who is trusted by it. */
  readonly policy: () => Policy;
  readonly trust: Trust;
  readonly http: PeerHttp;
  readonly pool: Pool;
  /** Behind the release gate. */
  readonly mirror: Mirror;
  readonly member: Pick<OwnMember, 'token'>;
  readonly log: Log;
  readonly onPulled: (origin: string, ok: boolean, size: number) => void;
  readonly deadlineMs: number;
  readonly teardown: Teardown;
}

/** Where a log can be pulled from: prefix, and the gateway that answers there. */
interface Place {
  readonly url: string;
  readonly audience: string;
}

export interface Pull {
  /** The policy is another one: begins anew with its logs, once what is pulled now has ended. */
  restart(): void;
}

/** Starts the follower where the settings ask for it. Throws `invalid-content` for an origin without an URL in the policy. */
export function startPull(parts: PullParts): Pull {
  const { config, trust, pool, teardown } = parts;
  const objection = pullObjection(config, parts.policy());
  if (objection !== undefined) throw new GatewayError('invalid-content', objection);
  if (config.mirrorPull.length === 0) return { restart: () => {} };
  const follow = (): PullLogs =>
    startPullLogs({
      origins: pulledOrigins(config, trust),
      sources: (origin) => placesOf(parts, origin).map(({ url }) => url),
      pull: (origin, url) => pullFrom(parts, origin, url, placesOf(parts, origin)),
      async reached(origin) {
        const { next, held, blobs, missing } = await parts.mirror.status(origin);
        return next + held + blobs - missing.length / 1e6;
      },
      // A log that has left the policy is given up before its turn comes.
      isSuspended: (origin) => trust.isSuspended(origin) || trust.logKeys(origin).length === 0,
      log: parts.log,
      onPulled: parts.onPulled,
    });
  let pulling: Promise<PullLogs> | undefined;
  const leadership = seekLeadership(
    pool,
    () => {
      pulling = Promise.resolve(follow());
      return async () => {
        const last = pulling;
        pulling = undefined;
        await (await last)?.close();
      };
    },
    PULL_LOCK,
  );
  teardown.add('pull', () => leadership.close());
  return {
    restart() {
      pulling = pulling?.then(async (before) => {
        await before.close();
        return follow();
      });
    },
  };
}

/** Why a policy does not do for what `MIRROR_PULL` asks; undefined when it does. */
export function pullObjection({ mirrorPull, origin: own }: Config, policy: Policy): string | undefined {
  const without = mirrorPull.find(
    (origin) =>
      origin !== ALL &&
      (origin === own || !policy.logs.some(({ key, url }) => key.name === origin && url !== undefined)),
  );
  return without === undefined ? undefined : `MIRROR_PULL: the policy file has no log with an URL for ${without}`;
}

function pulledOrigins({ mirrorPull, origin: own }: Config, trust: Trust): readonly string[] {
  if (!mirrorPull.includes(ALL)) return mirrorPull;
  return trust.origins.filter((origin) => origin !== own && trust.logUrl(origin) !== undefined);
}

/** Its origin first, then the mirrors that the policy knows. */
function placesOf({ config, policy, trust }: PullParts, origin: string): readonly Place[] {
  const own = trust.logUrl(origin);
  const mirrors = mirrorsOf(policy()).flatMap(({ key, url }) => {
    const audience = key.name.replace(/\/mirror$/, '');
    return url === undefined || audience === config.origin || audience === origin
      ? []
      : [{ url: `${url}/${originHash(origin)}`, audience }];
  });
  return [...(own === undefined ? [] : [{ url: own, audience: origin }]), ...mirrors];
}

function pullFrom(parts: PullParts, origin: string, url: string, places: readonly Place[]): Promise<number> {
  const audience = places.find((place) => place.url === url)?.audience ?? origin;
  return pullLog({
    http: parts.http,
    url,
    origin,
    logKeys: parts.trust.logKeys(origin),
    authorization: () => parts.member.token(audience),
    mirror: parts.mirror,
    pending: checkpointStore(parts.pool, 'mirror'),
    deadlineMs: parts.deadlineMs,
    withBlobs: parts.config.mirrorBlobs,
    packed: true,
  });
}
