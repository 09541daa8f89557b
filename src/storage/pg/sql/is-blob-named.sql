-- Index: payload_blob (digest) where body is null.
select exists (select 1 from payload where digest = $1 and body is null) as named
