#!/bin/sh
# Gives Debezium's role the password of POSTGRES_PASSWORD. The image of PostgreSQL runs this once, after
# deploy/roles/postgres.sql; psql quotes the password, and it appears in no argument of a process.
set -eu
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --no-psqlrc --quiet <<'SQL'
\getenv password POSTGRES_PASSWORD
ALTER ROLE debezium PASSWORD :'password';
SQL
