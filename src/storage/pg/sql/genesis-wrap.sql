-- The index secret of the gateway, sealed. Index: lockbox primary key.
select slot::text, wrap from lockbox where leaf = 0
