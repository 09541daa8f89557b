-- Where the newest version of each resource below its own bound stands; searches of different sizes share one round trip. Index: record primary key.
select w.i::int, r.version, r.grp as "group", r.line
  from unnest($1::uuid[], $2::bigint[]) with ordinality w(resource, bound, i)
  cross join lateral (select * from record where resource = w.resource and grp < w.bound order by version desc limit 1) r
