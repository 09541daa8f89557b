-- Made by initdb: another one is another cluster.
select system_identifier::text as system from pg_control_system()
