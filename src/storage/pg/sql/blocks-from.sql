-- Index: block primary key.
select number, first_leaf as "firstLeaf", size, root, checkpoint, prev from block where number >= $1 order by number limit $2
