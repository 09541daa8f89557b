/**
 * `/admin/sources`: the sources of HL7 v2 messages, versioned. The version is the entity tag: a change names the version that it was
 * made from (If-Match), or that there is none yet (`If-None-Match: *`).
 */
import { GatewayError } from '../../../core/errors.ts';
import type { Principal } from '../../../core/principal.ts';
import { keepSource, type KeepSourceDeps } from '../../../services/keep-source.ts';
import { listSources, sourceHistory, type KeptSource } from '../../../services/source-store.ts';
import { countOf, parametersOf, type AdminAnswer, type AdminCall, type AdminRoute } from './call.ts';

export interface SourceRouteDeps extends KeepSourceDeps {
  /** Puts what was kept into use in this process. */
  readonly refresh: () => Promise<void>;
}

type Handler = (call: AdminCall) => Promise<AdminAnswer>;

export function sourceRoutes(deps: SourceRouteDeps): readonly AdminRoute[] {
  return [
    { method: 'get', path: '/sources', needs: 'read', handler: list(deps) },
    { method: 'get', path: '/sources/:name', needs: 'read', handler: show(deps) },
    { method: 'put', path: '/sources/:name', needs: 'write', handler: put(deps) },
    { method: 'delete', path: '/sources/:name', needs: 'write', handler: remove(deps) },
    { method: 'get', path: '/sources/:name/history', needs: 'read', handler: history(deps) },
  ];
}

function list(deps: SourceRouteDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    return { status: 200, body: { sources: (await listSources(deps)).map(rendered) } };
  };
}

function show(deps: SourceRouteDeps): Handler {
  return async (call) => {
    const { version: text } = parametersOf(call, ['version']);
    const version = text === undefined ? undefined : countOf(text);
    if (text !== undefined && version === undefined)
      throw new GatewayError('invalid-syntax', 'version is a number from 1');
    const kept = await sourceHistory(deps, nameOf(call));
    const found = version === undefined ? kept.at(-1) : kept.find((one) => one.version === version);
    if (found === undefined) throw new GatewayError('not-found', 'there is no such source, or not in this version');
    if (found.profile === null && version === undefined) throw new GatewayError('gone', 'this source was removed');
    return { status: 200, headers: tagOf(found), body: rendered(found) };
  };
}

function put(deps: SourceRouteDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    if (call.body === undefined || call.body === null)
      throw new GatewayError('required-missing', 'the body is the profile, as JSON');
    return answer(deps, call, call.body);
  };
}

function remove(deps: SourceRouteDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    await answer(deps, call, null);
    return { status: 204 };
  };
}

async function answer(deps: SourceRouteDeps, call: AdminCall, profile: unknown): Promise<AdminAnswer> {
  const from = versionBefore(call);
  const kept = await keepSource(deps, { name: nameOf(call), profile, by: whoOf(call.principal), from });
  await deps.refresh();
  return { status: from === 0 ? 201 : 200, headers: tagOf(kept), body: rendered(kept) };
}

function history(deps: SourceRouteDeps): Handler {
  return async (call) => {
    parametersOf(call, []);
    const kept = await sourceHistory(deps, nameOf(call));
    if (kept.length === 0) throw new GatewayError('not-found', 'there is no such source');
    return { status: 200, body: { versions: kept.toReversed().map(rendered) } };
  };
}

function nameOf({ params }: AdminCall): string {
  return params.name ?? '';
}

/** RFC 9110 section 13: `If-Match: "3"` (also weak), or `If-None-Match: *` for a new one. Throws `precondition-required`. */
function versionBefore(call: AdminCall): number {
  const match = call.header('if-match');
  if (match === undefined && call.header('if-none-match')?.trim() === '*') return 0;
  const version = countOf(/^(?:W\/)?"(\d+)"$/.exec(match?.trim() ?? '')?.[1]);
  if (match === undefined) {
    throw new GatewayError(
      'precondition-required',
      'say which version this changes: If-Match with its ETag, or If-None-Match: * for a new source',
    );
  }
  if (version === undefined || version === 0)
    throw new GatewayError('invalid-syntax', 'If-Match is one ETag, as the source was read with');
  return version;
}

function tagOf({ version }: KeptSource): Readonly<Record<string, string>> {
  return { ETag: `"${version}"` };
}

function rendered({ name, version, at, by, profile, leaf }: KeptSource): object {
  return {
    name,
    version,
    changed: new Date(at).toISOString(),
    by,
    leaf,
    ...(profile === null ? { removed: true } : { profile }),
  };
}

function whoOf({ issuer, subject }: Principal): string {
  return `${issuer}|${subject}`;
}
