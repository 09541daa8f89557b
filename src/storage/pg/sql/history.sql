-- Versions below a number that were not withdrawn, newest first. Index: record primary key backwards, payload primary key, withdrawn
-- primary key.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body from record r join payload p on p.grp = r.grp
 where r.resource = $1 and r.version < $2
   and not exists (select 1 from withdrawn w where w.resource = r.resource and w.version >= r.version)
 order by r.version desc limit $3
