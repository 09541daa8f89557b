-- One row for each mirror of the policy.
select mirror, size, blobs, receipt from mirror_receipt
