-- Index: mirror_receipt primary key.
insert into mirror_receipt (mirror, size, blobs, receipt) values ($1, $2, $3, $4)
on conflict (mirror) do update set size = excluded.size, blobs = excluded.blobs, receipt = excluded.receipt
  where mirror_receipt.size <= excluded.size
