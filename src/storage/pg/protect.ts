/**
 * What keeps the tables of the ledger append-only besides the triggers of migration 3: an owner that nobody can log in as,
 * a login with no more rights than appending needs, and event triggers that freeze the tables' definition. All of it is
 * put on again at every start, as far as the admin connection's rights go; what is missing is said, not hidden.
 *
 * What no database can do: stop its superuser. That one disables the event triggers first. `anamnesis verify` finds what
 * was changed then, and witnesses find a history that was rewritten as a whole.
 */
import { storeError } from './errors.ts';
import type { Client, Pool } from './pool.ts';
import { statement } from './statement.ts';

const PROTECTIONS = statement('protections');
const FREEZE = statement('freeze-ddl');

/** Owns every table; nobody can log in as it. Roles belong to the whole cluster. */
const OWNER = 'anamnesis_owner';
/** Login of the gateway on its embedded Postgres; for a superuser's DATABASE_URL the role that its sessions take. */
export const WRITER = 'anamnesis_writer';
/** Any constant of our own: the advisory lock of those who put protections on. */
const LOCK = 4_720_318_903;

export type ProtectionName = 'append-only-triggers' | 'frozen-ddl' | 'owner-role' | 'writer-role';

export interface Protection {
  readonly name: ProtectionName;
  readonly present: boolean;
  /** What its absence means and what would bring it, for the operator. */
  readonly without: string;
}

const WITHOUT: Readonly<Record<ProtectionName, string>> = {
  'append-only-triggers':
    'the tables of the ledger can be changed by statements: their triggers are missing or were disabled',
  'frozen-ddl':
    'the triggers of the ledger can be dropped unseen by their owner: event triggers need DATABASE_ADMIN_URL of a superuser',
  'owner-role':
    'an account that can log in owns the tables of the ledger and can disable their triggers: set DATABASE_ADMIN_URL',
  'writer-role':
    'the gateway logs in with more rights than appending needs: give DATABASE_URL an account of its own and set DATABASE_ADMIN_URL',
};

interface Facts {
  readonly triggers: boolean;
  readonly frozen: boolean;
  readonly owner: boolean;
  readonly writer: boolean;
}

/** How the protections stand for the account `login`. Reads catalogs only. Throws `unavailable`. */
export async function inspectProtections(db: Pool | Client, login: string): Promise<readonly Protection[]> {
  const { rows } = await db.query<Facts>(PROTECTIONS, [login]).catch(storeError);
  const { triggers, frozen, owner, writer } = rows[0];
  const stands: Readonly<Record<ProtectionName, boolean>> = {
    'append-only-triggers': triggers,
    'frozen-ddl': frozen,
    'owner-role': owner,
    'writer-role': writer,
  };
  const names = ['append-only-triggers', 'frozen-ddl', 'owner-role', 'writer-role'] as const;
  return names.map((name) => ({ name, present: stands[name], without: WITHOUT[name] }));
}

/** The account that this connection logged in as. */
export async function sessionUser(db: Pool): Promise<string> {
  const { rows } = await db.query<{ login: string }>('select session_user as login').catch(storeError);
  return rows[0].login;
}

/** Columns that the writer may change; tables of the truth have none. */
const UPDATES: ReadonlyMap<string, string> = new Map([
  ['log_head', 'size, root, compact, block, checkpoint'],
  // Wraps are renewed after a rotation of master; one that was swapped does not fit its row (write/keyring).
  ['lockbox', 'next_tag, wrap'],
  ['patient', 'consent_leaf, wrap'],
]);
/** Tables that take rows and keep them. */
const APPENDED: ReadonlySet<string> = new Set([
  'document',
  'payload',
  'tile',
  'block',
  'log_head',
  'lockbox',
  'patient',
  'alias',
  'record',
  'token',
  'message',
  'patient_link',
  'withdrawn',
  'move',
  'quarantine',
  'reprocessed',
  'restated',
  'source_profile',
  'suspension_statement',
  'peer_checkpoint',
]);

/**
 * Puts on what is missing, for the gateway's account `login`; `embedded`: the account is ours to make. Idempotent; takes no
 * lock on tables when nothing is missing. Without superuser rights it does what an owner can.
 */
export async function protect(
  admin: Pool,
  { login, embedded }: { readonly login: string; readonly embedded: boolean },
): Promise<void> {
  const client = await admin.connect().catch(storeError);
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    const { rows } = await client.query<{ superuser: boolean; account: string }>(
      `select rolsuper as superuser, rolname as account from pg_roles where rolname = current_user`,
    );
    const { superuser, account } = rows[0];
    if (superuser) {
      await makeRole(client, OWNER, 'nologin');
      if (embedded || login === WRITER) await makeRole(client, WRITER, embedded ? 'login' : 'nologin');
    }
    const tables = await tablesOf(client, login);
    const stands = await inspectProtections(client, login);
    const complete = stands.every(({ present }) => present);
    if (complete && tables.every((table) => isGranted(table, login))) return;
    await client.query('begin');
    if (superuser) {
      await thaw(client);
      await own(client, tables);
    }
    if (login !== account) await grant(client, tables, login);
    if (superuser) await client.query(FREEZE);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => {});
    storeError(error);
  } finally {
    await client.query('select pg_advisory_unlock($1)', [LOCK]).catch(() => {});
    client.release();
  }
}

/** In a transaction: lets a superuser's DDL on the tables of the ledger through until `refreeze`; others get false. */
export async function thaw(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ evtname: string }>(
    `select evtname from pg_event_trigger
      where evtname in ('anamnesis_freeze_ddl', 'anamnesis_freeze_drop')
        and (select rolsuper from pg_roles where rolname = current_user)`,
  );
  for (const { evtname } of rows) await client.query(`alter event trigger ${identifier(evtname)} disable`);
  return rows.length > 0;
}

/** Freezes again what `thaw` let through. */
export async function refreeze(client: Client): Promise<void> {
  await client.query(FREEZE);
}

async function makeRole(client: Client, role: string, login: 'login' | 'nologin'): Promise<void> {
  // Databases of one cluster share roles, and several gateways may start at once.
  await client.query(`do $$ begin
    if not exists (select 1 from pg_roles where rolname = '${role}' and rolcanlogin = ${login === 'login'}) then
      begin create role ${role} ${login}; exception when duplicate_object or unique_violation then
        if '${login}' = 'login' then alter role ${role} login; end if;
      end;
    end if;
  end $$`);
}

interface Table {
  readonly name: string;
  readonly owner: string;
  /** Roles that may read it by a grant. */
  readonly granted: readonly string[];
  /** Columns that the login may change. */
  readonly changeable: readonly string[];
}

function isGranted({ name, owner, granted, changeable }: Table, login: string): boolean {
  const columns = UPDATES.get(name)?.split(', ') ?? [];
  return owner === OWNER && granted.includes(login) && columns.every((column) => changeable.includes(column));
}

async function tablesOf(client: Client, login: string): Promise<readonly Table[]> {
  const { rows } = await client.query<Table>(
    `
    select c.relname as name, r.rolname as owner,
           array(select g.rolname::text from aclexplode(c.relacl) a join pg_roles g on g.oid = a.grantee
                  where a.privilege_type = 'SELECT') as granted,
           array(select t.attname::text from pg_attribute t, aclexplode(t.attacl) a join pg_roles g on g.oid = a.grantee
                  where t.attrelid = c.oid and a.privilege_type = 'UPDATE' and g.rolname = $1) as changeable
      from pg_class c join pg_roles r on r.oid = c.relowner
     where c.relkind = 'r' and c.relnamespace = (select relnamespace from pg_class where oid = to_regclass('log_head'))
     order by c.relname`,
    [login],
  );
  return rows;
}

async function own(client: Client, tables: readonly Table[]): Promise<void> {
  for (const { name, owner } of tables) {
    if (owner !== OWNER) await client.query(`alter table ${identifier(name)} owner to ${OWNER}`);
  }
}

async function grant(client: Client, tables: readonly Table[], login: string): Promise<void> {
  const to = identifier(login);
  const { rows } = await client.query<{ schema: string }>('select current_schema() as schema');
  await client.query(`grant usage on schema ${identifier(rows[0].schema)} to ${to}`);
  for (const { name } of tables) {
    const table = identifier(name);
    await client.query(`revoke all on ${table} from ${to}`);
    if (name === 'schema_migration') await client.query(`grant select on ${table} to ${to}`);
    else if (APPENDED.has(name)) {
      await client.query(`grant select, insert on ${table} to ${to}`);
      const columns = UPDATES.get(name);
      if (columns !== undefined) await client.query(`grant update (${columns}) on ${table} to ${to}`);
    } else await client.query(`grant select, insert, update, delete on ${table} to ${to}`);
  }
}

/** A quoted SQL identifier. */
function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
