-- Messages that wait in quarantine, newest first. Index: quarantine primary key, read backwards; reprocessed primary key.
select q.leaf from quarantine q
 where q.leaf < $1 and ($2::text is null or q.reason = $2) and ($3::integer is null or q.source = $3) and q.received >= $4
   and not exists (select 1 from reprocessed r where r.original = q.leaf)
 order by q.leaf desc limit $5
