-- What the witness has accepted last of each log. One row for each origin.
select origin, size, note from accepted_checkpoint where role = 'witness' and size > 0
