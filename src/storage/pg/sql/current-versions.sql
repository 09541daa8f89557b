-- The newest version of each resource below a group number. Index: record primary key backwards, payload primary key.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body
  from unnest($1::uuid[]) w(resource)
  cross join lateral (select * from record where resource = w.resource and grp < $2 order by version desc limit 1) r
  join payload p on p.grp = r.grp
