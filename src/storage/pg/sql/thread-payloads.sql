-- Sealed payloads of the messages of one thread; those of a manifest stand together: grp = leaf * 4096 + ordinal.
-- Index: message_thread (thread, leaf), payload primary key.
select m.leaf, p.lockbox, p.body
  from (select leaf from message where thread = $1 and leaf >= $2 order by leaf limit $3) m
  join payload p on p.grp >= m.leaf * 4096 and p.grp < (m.leaf + 1) * 4096
 where p.body is not null
 order by p.grp
