-- Index: mirror_missing_blob_digest.
delete from mirror_missing_blob where digest = $1
