-- Alias hits and named resources with their current versions. $1: 32-byte hashes joined, $2 of them; $3 resources; $4 source.
-- Index: alias primary key, record primary key, restated primary key. One parameter for all hashes: arrays of bytea are the slow path of pg.
select w.i, w.resource, r.version, r.grp, r.line,
       greatest((select max(o.source_time) from record o where o.resource = w.resource and o.source = $4),
                (select max(s.source_time) from restated s where s.resource = w.resource and s.source = $4)) as own
  from (select g as i, a.resource
          from generate_series(0, $2::int - 1) g
          join alias a on a.hash = substring($1::bytea from g * 32 + 1 for 32)
        union all
        select -1, unnest($3::uuid[])) w
  left join lateral (select version, grp, line from record where resource = w.resource order by version desc limit 1) r on true
