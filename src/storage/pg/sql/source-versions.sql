-- Versions of the sources in the order of the log: from leaf $1 on; of one source ($2), or of all (null).
-- Index: source_profile_leaf, document primary key.
select s.source, s.version, s.leaf, d.body
  from source_profile s join document d on d.leaf = s.leaf
 where s.leaf >= $1 and ($2::uuid is null or s.source = $2)
 order by s.leaf
