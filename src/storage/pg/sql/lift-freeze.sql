-- A person has looked at the evidence. Two rows for each origin.
update accepted_checkpoint set frozen = false where origin = $1 and frozen
