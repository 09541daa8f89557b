-- One row for each cosigner of the policy.
select cosigner, size, root, line, at from cosignature
