-- Index: record primary key, payload primary key.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body from record r join payload p on p.grp = r.grp where r.resource = $1 and r.version = $2
