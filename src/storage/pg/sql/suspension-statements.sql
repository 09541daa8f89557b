-- With the documents that hold them. As many as were ever said; few. Index: primary keys of both.
select s.statement, d.body as document from suspension_statement s left join document d on d.leaf = s.leaf order by s.leaf
