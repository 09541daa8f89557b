-- Moves of which nothing says yet that all is done, oldest first. Index: move primary key, message primary key.
select m.leaf, m.anchor::text, m.source::text as "from", m.target::text as "to", m.id::text
  from move m
 where not exists (select 1 from message d where d.control = m.control)
 order by m.leaf, m.anchor limit $1
