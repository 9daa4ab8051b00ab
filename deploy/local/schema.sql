-- The outbox, and the publication that Debezium reads. This can be run again.
CREATE SCHEMA IF NOT EXISTS activity;

CREATE TABLE IF NOT EXISTS activity.event_outbox (
    event_id       uuid        PRIMARY KEY DEFAULT uuidv7(),
    sequence_id    bigserial   NOT NULL UNIQUE,
    aggregate_id   uuid        NOT NULL,
    aggregate_type text        NOT NULL,
    event_type     text        NOT NULL,
    payload        jsonb       NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    status         text        NOT NULL DEFAULT 'pending'
                               CHECK (status IN ('pending', 'processing', 'processed', 'failed')),
    retry_count    integer     NOT NULL DEFAULT 0,
    last_error     text,
    lock_id        uuid,
    created_at     timestamptz NOT NULL DEFAULT now(),
    published_at   timestamptz
);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'debezium_publication') THEN
        CREATE PUBLICATION debezium_publication FOR TABLE activity.event_outbox;
    END IF;
END
$$;
