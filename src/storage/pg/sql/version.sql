-- Index: record primary key, payload primary key, withdrawn primary key.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body,
       exists (select 1 from withdrawn w where w.resource = r.resource and w.version >= r.version) as withdrawn
  from record r join payload p on p.grp = r.grp where r.resource = $1 and r.version = $2
