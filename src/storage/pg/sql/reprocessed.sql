-- The manifest that took a message out of quarantine. Index: reprocessed primary key.
select leaf from reprocessed where original = $1
