-- The blob counts for the quota of every log that missed it. Index: mirror_missing_blob_digest.
with gone as (
  delete from mirror_missing_blob where digest = $1 returning log, size
)
update mirror_log set bytes = bytes + blob.size
  from (select log, max(size) as size from gone group by log) blob
 where mirror_log.log = blob.log
