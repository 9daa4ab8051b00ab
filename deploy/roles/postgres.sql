-- The rights that Debezium's user has in PostgreSQL, and no others. Run this in the outbox's database as its owner,
-- after the schema. It can be run again. deploy/local/schema.sql makes the publication and the table, so that the user
-- need not own either. Set the password afterwards: \password debezium
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'debezium') THEN
        CREATE ROLE debezium LOGIN REPLICATION;
    END IF;
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO debezium', current_database());
END
$$;

GRANT USAGE ON SCHEMA activity TO debezium;
-- Snapshots read the table. The stream comes from the write-ahead log.
GRANT SELECT ON activity.event_outbox TO debezium;
