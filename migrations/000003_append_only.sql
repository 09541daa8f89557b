-- Older processes may go on.
-- The tables of the truth take rows and never change them, whoever asks: owner and superuser included, replication roles
-- too (ENABLE ALWAYS). Roles and frozen DDL, which need a superuser, are put on at start: src/storage/pg/protect.ts.

create function refuse_change() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  raise exception 'the table % is append-only', tg_table_name using errcode = '42501';
end $$;

-- The head of the log goes forward only and keeps its name.
create function refuse_step_back() returns trigger language plpgsql set search_path = pg_catalog as $$
begin
  if new.origin <> old.origin or new.size < old.size or new.block < old.block then
    raise exception 'the head of the log goes forward only' using errcode = '42501';
  end if;
  return new;
end $$;

create trigger append_only before update or delete on document for each row execute function refuse_change();
create trigger append_only before update or delete on payload  for each row execute function refuse_change();
create trigger append_only before update or delete on tile     for each row execute function refuse_change();
create trigger append_only before update or delete on block    for each row execute function refuse_change();
create trigger append_only before delete           on log_head for each row execute function refuse_change();
create trigger forward_only before update          on log_head for each row execute function refuse_step_back();

create trigger no_truncate before truncate on document for each statement execute function refuse_change();
create trigger no_truncate before truncate on payload  for each statement execute function refuse_change();
create trigger no_truncate before truncate on tile     for each statement execute function refuse_change();
create trigger no_truncate before truncate on block    for each statement execute function refuse_change();
create trigger no_truncate before truncate on log_head for each statement execute function refuse_change();

alter table document enable always trigger append_only;
alter table payload  enable always trigger append_only;
alter table tile     enable always trigger append_only;
alter table block    enable always trigger append_only;
alter table log_head enable always trigger append_only;
alter table log_head enable always trigger forward_only;

alter table document enable always trigger no_truncate;
alter table payload  enable always trigger no_truncate;
alter table tile     enable always trigger no_truncate;
alter table block    enable always trigger no_truncate;
alter table log_head enable always trigger no_truncate;
