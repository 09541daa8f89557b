-- Index: block primary key, backwards.
select number, first_leaf as "firstLeaf", size, root, checkpoint, prev from block order by number desc limit 1
