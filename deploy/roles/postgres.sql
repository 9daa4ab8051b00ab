-- What Debezium's user may do in PostgreSQL, and no more; run in the outbox's database by its owner, after the schema.
-- Can be run again. The publication and the table are made by deploy/local/schema.sql, so that the user needs to own
-- neither. Set the password afterwards: \password debezium
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
-- Snapshots read the table; the stream comes from the write-ahead log.
GRANT SELECT ON activity.event_outbox TO debezium;
