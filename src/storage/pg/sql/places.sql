-- Where the newest version of each resource below its own bound stands; searches of different sizes share one round trip. Index: record primary key, withdrawn
-- primary key. A version that was withdrawn since does not stand any more.
select w.i::int, r.version, r.grp as "group", r.line
  from unnest($1::uuid[], $2::bigint[]) with ordinality w(resource, bound, i)
  cross join lateral (select * from record where resource = w.resource and grp < w.bound order by version desc limit 1) r
 where not exists (select 1 from withdrawn g where g.resource = r.resource and g.version >= r.version)
