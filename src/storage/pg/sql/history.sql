-- Versions below a number, newest first. Index: record primary key backwards, payload primary key.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body from record r join payload p on p.grp = r.grp
 where r.resource = $1 and r.version < $2 order by r.version desc limit $3
