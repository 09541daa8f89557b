-- Which of these messages were taken out of quarantine, and by what. Index: reprocessed primary key.
select original, leaf from reprocessed where original = any($1::bigint[])
