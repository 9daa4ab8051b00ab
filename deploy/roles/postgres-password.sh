#!/bin/sh
# Sets the password of Debezium's role to POSTGRES_PASSWORD. The PostgreSQL image runs this once, after
# deploy/roles/postgres.sql. psql quotes the password, which appears in no argument of a process.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --no-psqlrc --quiet <<'SQL'
\getenv password POSTGRES_PASSWORD
ALTER ROLE debezium PASSWORD :'password';
SQL
