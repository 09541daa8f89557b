-- Changes with every statement that is added: rows are never changed. Few rows.
select count(*) || ' ' || coalesce(max(leaf), 0) as mark from suspension_statement
