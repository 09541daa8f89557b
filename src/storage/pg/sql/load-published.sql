-- At most one row.
select size, root, checkpoint from published_checkpoint
