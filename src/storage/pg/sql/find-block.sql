-- After a connection lost at COMMIT: does the block stand? Index: block primary key.
select checkpoint from block where number = $1
