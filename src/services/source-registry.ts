/**
 * The sources that a process (or a thread of it) knows: newest versions in memory, looked for again every second, so that a new
 * version is in use without a restart, in every process. While the database is away those that are known stay in use.
 */
import type { GatewayError } from '../core/errors.ts';
import { SENDERS_MAX } from '../core/limits.ts';
import { lane } from '../core/lane.ts';
import { Lru } from '../core/lru.ts';
import { describeError, type Log } from '../core/log.ts';
import { parseSourceDefinition, type SourceDefinition } from '../normalize/hl7v2/source-definition.ts';
import type { SourceProfile } from '../normalize/hl7v2/source-profile.ts';
import { chooseKeptSource, chooseSource, type SourceRules } from './choose-source.ts';
import { openVersions, type SourceDeps } from './source-store.ts';
import type { ChosenSource, ClientCertificate, Sources } from './sources.ts';

export interface SourceRegistryDeps extends SourceDeps {
  readonly log: Log;
  /** The source of the settings, which a kept one of its name replaces. */
  readonly builtIn: SourceDefinition;
  readonly rules: Pick<SourceRules, 'unknown' | 'unboundClients'>;
  /** How often the database is asked, milliseconds. */
  readonly everyMs: number;
}

export interface SourceRegistry extends Sources {
  /** The profile of whatever no other source takes: of the settings, or of the kept source of their name. */
  fallback(): SourceProfile;
  /** Takes what was kept since; resolves when it is in use. Throws `unavailable`, `integrity`. */
  refresh(): Promise<void>;
  /** Stops looking. Idempotent. */
  close(): void;
}

/** Resolves when the kept sources are in use. Throws `unavailable`, `integrity`. */
export async function openSourceRegistry(deps: SourceRegistryDeps): Promise<SourceRegistry> {
  const { builtIn, log } = deps;
  const standing = new Map<string, SourceDefinition>();
  let next = 0;
  let rules: SourceRules = { ...deps.rules, definitions: [], fallback: builtIn };
  let chosen = new Lru<string, ChosenSource>(SENDERS_MAX);
  let failing = false;

  const inTurn = lane();
  // One after the other: an older answer must not take the place of a newer one.
  const refresh = (): Promise<void> => inTurn(read);
  const read = async (): Promise<void> => {
    const rows = await deps.store.from(next);
    const newest = new Map(rows.map((row) => [row.source, row]));
    for (const kept of await openVersions(deps.keyring, [...newest.values()])) {
      if (kept.profile === null) {
        standing.delete(kept.name);
        continue;
      }
      const parsed = parseSourceDefinition(kept.name, kept.profile, kept.version);
      if ('definition' in parsed) standing.set(kept.name, parsed.definition);
      // Kept by a newer program: what it says cannot be followed, and its older version would be wrong as well.
      else log.error({ event: 'source-not-readable', leaf: kept.leaf });
    }
    if (rows.length === 0) return;
    next = Math.max(...rows.map(({ leaf }) => leaf)) + 1;
    const name = builtIn.profile.name;
    const definitions = [...standing.values()].filter(({ profile }) => profile.name !== name);
    rules = { ...deps.rules, definitions, fallback: standing.get(name) ?? builtIn };
    chosen = new Lru(SENDERS_MAX);
    log.info({ event: 'sources-changed', count: standing.size });
  };
  await refresh();
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= refresh()
      .then(
        () => (failing = false),
        (error: unknown) => {
          if (!failing) log.warn({ event: 'sources-unknown', ...describeError(error) });
          failing = true;
        },
      )
      .then(() => (running = undefined));
  }, deps.everyMs).unref();

  return {
    choose(header, client) {
      const { sendingApplication, sendingFacility, processingId, encoding } = header;
      const sender = [
        sendingApplication,
        sendingFacility,
        processingId,
        encoding,
        client?.fingerprint,
        client?.subject,
      ];
      const key = sender.join('\u0000');
      let found = chosen.get(key);
      if (found === undefined) {
        found = chooseSource(rules, header, client);
        chosen.set(key, found);
        if (found.refused !== undefined) tellRefused(log, found.refused, client);
      }
      return found;
    },
    chooseKept: (header, source) => chooseKeptSource(rules, header, source),
    fallback: () => rules.fallback.profile,
    refresh,
    close: () => clearInterval(timer),
  };
}

/** Once for each sender, not for each message: an operator binds a certificate by the fingerprint that stands here. */
function tellRefused(log: Log, { code, message }: GatewayError, client: ClientCertificate | undefined): void {
  const certificate = client === undefined ? {} : { source: client.fingerprint };
  log.warn({ event: 'source-refused', code, reason: message, ...certificate });
}
