-- Index: message primary key.
select control::text, digest::text, leaf from message where control = any($1::uuid[])
