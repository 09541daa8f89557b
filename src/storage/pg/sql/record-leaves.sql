-- Leaves of the messages that made versions of resources, newest first; a group is leaf * 4096 + ordinal. Index: record primary key.
select distinct r.grp / 4096 as leaf from record r where r.resource = any($1::uuid[]) and r.grp < $2 order by leaf desc limit $3
