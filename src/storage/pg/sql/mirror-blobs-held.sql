-- Leaf of the first missing blob, else all that is held. Index: mirror_missing_blob and mirror_log primary keys.
select coalesce(
  (select grp / 4096 from mirror_missing_blob where log = $1 order by grp limit 1),
  (select held from mirror_log where log = $1)
) as leaf
