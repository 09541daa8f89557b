-- As many as were ever said; few. Index: suspension_statement primary key.
select statement from suspension_statement order by leaf
