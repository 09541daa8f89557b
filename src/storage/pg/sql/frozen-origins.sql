-- Two rows for each known log.
select distinct origin from accepted_checkpoint where frozen order by origin
