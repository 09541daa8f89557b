-- Index: mirror_log_origin_key.
select log, next_entry as "next", size, root, checkpoint, held, compact, next_block as "nextBlock", prev, bytes
  from mirror_log where origin = $1
