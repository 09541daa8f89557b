-- Index: accepted_checkpoint primary key.
select size, root, note, frozen from accepted_checkpoint where role = $1 and origin = $2
