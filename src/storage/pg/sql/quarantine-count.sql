-- How many messages wait in quarantine, by reason: reads the whole table, which is small where somebody looks after it.
select q.reason, count(*) as count from quarantine q
 where ($1::text is null or q.reason = $1) and ($2::integer is null or q.source = $2) and q.received >= $3
   and not exists (select 1 from reprocessed r where r.original = q.leaf)
 group by q.reason order by q.reason
