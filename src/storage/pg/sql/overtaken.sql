-- Items that were overtaken since they were prepared; the head row is locked. $1 items, $2 resources, $3 versions that they read and that are
-- no longer current; $4 items, $5 resources, $6 sources, $7 times of next versions of which that source has said something later
-- meanwhile. Index: record primary key, restated primary key.
select w.i from unnest($1::int[], $2::uuid[], $3::int[]) as w(i, resource, version)
 where exists (select from record r where r.resource = w.resource and r.version = w.version + 1)
union
select w.i from unnest($4::int[], $5::uuid[], $6::int[], $7::bigint[]) as w(i, resource, source, source_time)
 where exists (select from restated s where s.resource = w.resource and s.source = w.source and s.source_time > w.source_time)
