-- Index: mirror_block primary key.
select number, first_leaf as "firstLeaf", size, root, checkpoint, prev from mirror_block
 where log = $1 order by number desc limit 1
