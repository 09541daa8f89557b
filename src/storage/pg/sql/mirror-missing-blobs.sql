-- Each blob once, lowest place first. Index: mirror_missing_blob primary key.
select digest, size from (
  select digest, size, min(grp) as grp from (
    select digest, size, grp from mirror_missing_blob where log = $1 order by grp limit $2
  ) first group by digest, size
) blob order by grp
