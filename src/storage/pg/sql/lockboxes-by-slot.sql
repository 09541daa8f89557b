-- Index: lockbox unique slot.
select leaf, slot::text, wrap from lockbox where slot = any($1::uuid[])
