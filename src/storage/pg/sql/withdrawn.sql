-- The newest withdrawn version of each resource. Index: withdrawn primary key.
select resource::text, max(version) as version from withdrawn where resource = any($1::uuid[]) group by resource
