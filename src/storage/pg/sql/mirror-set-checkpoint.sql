-- Never back, never beyond the entries that are here. Index: mirror_log primary key.
update mirror_log set size = $2, root = $3, checkpoint = $4 where log = $1 and size <= $2 and next_entry >= $2
