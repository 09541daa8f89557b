-- Not waited for on disk: what a crash loses is asked for again. Index: mirror_receipt primary key.
insert into mirror_receipt (mirror, size, blobs, receipt)
select $1::text, $2::bigint, $3::bigint, $4::text from (select set_config('synchronous_commit', 'off', true)) hurry
on conflict (mirror) do update set size = excluded.size, blobs = excluded.blobs, receipt = excluded.receipt
  where mirror_receipt.size <= excluded.size
