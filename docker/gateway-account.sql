-- Run once by the Postgres image, when its volume is empty: the account of the gateway. It owns nothing, and gets its few rights from
-- `anamnesis prepare-database`.
\set password `cat /run/secrets/gateway-password`
create role gateway login password :'password';
