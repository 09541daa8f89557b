-- By a manifest of this gateway, or of a log that is mirrored here. Index: payload_blob, mirror_payload_blob.
select exists (select 1 from payload where digest = $1 and body is null)
    or exists (select 1 from mirror_payload where digest = $1 and body is null) as named
