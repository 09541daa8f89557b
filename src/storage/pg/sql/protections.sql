-- Which protections of the append-only tables stand, for the login $1. Catalogs only.
with truth as (
  select c.oid, c.relname, c.relowner, c.relkind from pg_class c
   where c.relname in ('document', 'payload', 'tile', 'block', 'log_head') and c.oid = to_regclass(c.relname)
),
login as (select oid, rolsuper from pg_roles where rolname = $1)
select
  (select count(*) = 11 from pg_trigger g join truth t on t.oid = g.tgrelid
    where g.tgname in ('append_only', 'no_truncate', 'forward_only') and g.tgenabled = 'A'
      and g.tgfoid in (to_regproc('refuse_change'), to_regproc('refuse_step_back')))
  and not exists (select 1 from pg_trigger g join truth t on t.oid = g.tgrelid
    where not g.tgisinternal and g.tgname not in ('append_only', 'no_truncate', 'forward_only'))
  and not exists (select 1 from pg_rewrite r join truth t on t.oid = r.ev_class)
  and not exists (select 1 from pg_inherits i join truth t on t.oid = i.inhparent) as triggers,
  (select count(*) = 2 from pg_event_trigger
    where evtname in ('anamnesis_freeze_ddl', 'anamnesis_freeze_drop') and evtenabled = 'A'
      and evtfoid = to_regproc('anamnesis_refuse_ddl')) as frozen,
  coalesce((select bool_and(not o.rolcanlogin and not o.rolsuper) from truth t join pg_roles o on o.oid = t.relowner), false)
    as owner,
  coalesce((select bool_and(not l.rolsuper
      and not pg_has_role(l.oid, t.relowner, 'member')
      and not has_table_privilege(l.oid, t.oid, 'DELETE, TRUNCATE, TRIGGER')
      and (t.relname = 'log_head' or not has_any_column_privilege(l.oid, t.oid, 'UPDATE')))
    from truth t cross join login l), false) as writer
