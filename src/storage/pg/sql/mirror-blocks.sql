-- Index: mirror_block primary key.
select number, first_leaf as "firstLeaf", size, root, checkpoint, prev from mirror_block
 where log = $1 and number >= $2 order by number limit $3
