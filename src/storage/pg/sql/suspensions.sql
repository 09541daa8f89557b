-- One row for each issuer and subject: as many as members, squared.
select issuer, subject, issued, suspended, statement from suspension
