-- Index: peer_checkpoint primary key.
select leaf, note, second_note as second, found_at as "foundAt" from peer_checkpoint order by leaf
