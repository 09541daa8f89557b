-- The newest version of each resource below a group number. Index: record primary key backwards, payload primary key,
-- withdrawn primary key. A version that was withdrawn since does not stand any more.
select r.resource::text, r.version, r.grp as "group", r.line, p.lockbox, p.body
  from unnest($1::uuid[]) w(resource)
  cross join lateral (select * from record where resource = w.resource and grp < $2 order by version desc limit 1) r
  join payload p on p.grp = r.grp
 where not exists (select 1 from withdrawn g where g.resource = r.resource and g.version >= r.version)
