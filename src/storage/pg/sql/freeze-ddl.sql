-- Event triggers that refuse DDL on the tables of the truth and on what guards them. Needs a superuser. Whoever must change
-- these tables (a migration) disables the event triggers in the same transaction. Index changes pass: they change no row.
create or replace function anamnesis_refuse_ddl() returns event_trigger language plpgsql set search_path = pg_catalog as $$
declare
  guarded constant text[] := array['document', 'payload', 'tile', 'block', 'log_head',
    'refuse_change', 'refuse_step_back', 'anamnesis_refuse_ddl'];
  home oid := (select p.pronamespace from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
                where e.evtname = 'anamnesis_freeze_ddl');
  -- By name and by trigger: at this point a table or function may have been renamed already.
  tables oid[] := array(select c.oid from pg_class c where c.relnamespace = home and c.relkind = 'r'
    and (c.relname = any(guarded) or exists (select 1 from pg_trigger t
      where t.tgrelid = c.oid and t.tgname in ('append_only', 'no_truncate', 'forward_only'))));
  functions oid[] := array(select p.oid from pg_proc p where p.pronamespace = home and (p.proname = any(guarded)
    or p.oid in (select tgfoid from pg_trigger where tgrelid = any(tables) and not tgisinternal)
    or p.oid in (select evtfoid from pg_event_trigger where evtname like 'anamnesis_freeze_%')));
  hit boolean;
begin
  if tg_event = 'sql_drop' then
    select exists (
      select 1 from pg_event_trigger_dropped_objects() d
       where d.address_names[2] = any(guarded)
         and d.address_names[1] = coalesce((select nspname from pg_namespace where oid = home), d.address_names[1])
    ) into hit;
  else
    select exists (
      select 1 from pg_event_trigger_ddl_commands() c
       where (c.classid = 'pg_class'::regclass and c.objid = any(tables))
          or (c.classid = 'pg_namespace'::regclass and c.objid = home and c.command_tag like 'ALTER%')
          or (c.classid = 'pg_proc'::regclass and c.objid = any(functions))
          or (c.classid = 'pg_trigger'::regclass and exists (
               select 1 from pg_trigger t where t.oid = c.objid and t.tgrelid = any(tables)))
          or (c.classid = 'pg_rewrite'::regclass and exists (
               select 1 from pg_rewrite r where r.oid = c.objid and r.ev_class = any(tables)))
          or (c.classid = 'pg_policy'::regclass and exists (
               select 1 from pg_policy p where p.oid = c.objid and p.polrelid = any(tables)))
    ) or exists (select 1 from pg_inherits where inhparent = any(tables)) into hit;
  end if;
  if hit then
    raise exception 'the tables of the ledger are frozen' using errcode = '42501';
  end if;
end $$;

do $$ begin
  if not exists (select 1 from pg_event_trigger where evtname = 'anamnesis_freeze_ddl') then
    create event trigger anamnesis_freeze_ddl on ddl_command_end execute function anamnesis_refuse_ddl();
  end if;
  if not exists (select 1 from pg_event_trigger where evtname = 'anamnesis_freeze_drop') then
    create event trigger anamnesis_freeze_drop on sql_drop execute function anamnesis_refuse_ddl();
  end if;
end $$;
alter event trigger anamnesis_freeze_ddl enable always;
alter event trigger anamnesis_freeze_drop enable always;
