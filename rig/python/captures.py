"""What `cargo xtask capture` records: the connector's settings, the tables and the statements of each capture.

Every id, time and payload is written out here, so that expectations can be written from it. Keys and values are those
of Debezium's documentation. Settings that are not given are those of deploy/debezium.
"""

JSON = "org.apache.kafka.connect.json.JsonConverter"
CLOUD_EVENTS = "io.debezium.converters.CloudEventsConverter"
ROUTER = "io.debezium.transforms.outbox.EventRouter"
FLATTEN = "io.debezium.transforms.ExtractNewRecordState"

ID = "0190a1b2-0000-7000-8000-0000000000"

OUTBOX = """
CREATE TABLE activity.event_outbox (
    event_id       uuid        PRIMARY KEY,
    sequence_id    bigint      NOT NULL,
    aggregate_id   uuid        NOT NULL,
    aggregate_type text        NOT NULL,
    event_type     text        NOT NULL,
    payload        jsonb       NOT NULL,
    status         text        NOT NULL DEFAULT 'pending',
    created_at     timestamptz
);
ALTER TABLE activity.event_outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
"""

# The table of the EventRouter's documentation.
OTHER_SHAPE = """
CREATE TABLE activity.event_outbox (
    id            uuid         PRIMARY KEY,
    aggregatetype varchar(255) NOT NULL,
    aggregateid   varchar(255) NOT NULL,
    type          varchar(255) NOT NULL,
    payload       jsonb
);
"""

TYPES = """
CREATE TABLE activity.event_outbox (
    event_id       bigint       PRIMARY KEY,
    aggregate_id   numeric(20)  NOT NULL,
    aggregate_type text         NOT NULL,
    event_type     text         NOT NULL,
    payload        json         NOT NULL,
    created_at     timestamp    NOT NULL,
    fixed          numeric(30, 10),
    whole          numeric(20, 0),
    free           numeric,
    amounts        numeric(6, 2)[],
    at_ms          timestamp(3),
    at_us          timestamp(6),
    zoned          timestamptz,
    day            date,
    time_ms        time(3),
    time_us        time(6),
    flag           boolean,
    real_number    double precision,
    bytes          bytea,
    document       jsonb,
    uuid           uuid,
    nothing        text
);
"""

USER = f"""
INSERT INTO activity.event_outbox VALUES ('{ID}e1', 1, '{ID}a1', 'User', 'UserCreated',
    '{{"email": "test@example.com", "n": 1.50, "big": 12345678901234567890, "last_name": "Üser ✓"}}', 'pending',
    '2026-11-23 07:09:10.123456+00')
"""
ACTIVITY = f"""
INSERT INTO activity.event_outbox VALUES ('{ID}e2', 2, '{ID}a2', 'Activity', 'ActivityCreated', '{{"title": "Hike"}}',
    'pending', '2026-11-23 07:09:10+00')
"""
CHANGES = [
    f"UPDATE activity.event_outbox SET status = 'processed' WHERE event_id = '{ID}e1'",
    f"DELETE FROM activity.event_outbox WHERE event_id = '{ID}e2'",
]
USUAL = [USER, ACTIVITY, *CHANGES]

# A payload that is stored apart from the row, so that changes of the row leave it out.
KEY_CHANGE = [
    f"""
    INSERT INTO activity.event_outbox VALUES ('{ID}e3', 3, '{ID}a3', 'User', 'UserCreated',
        jsonb_build_object('bio', repeat('x', 2100)), 'pending', '2026-11-23 07:09:11+00')
    """,
    f"UPDATE activity.event_outbox SET status = 'processed' WHERE event_id = '{ID}e3'",
    f"UPDATE activity.event_outbox SET event_id = '{ID}e4' WHERE event_id = '{ID}e3'",
]

OTHER_ROWS = [
    f"""INSERT INTO activity.event_outbox VALUES ('{ID}e1', 'User', 'u-1', 'UserCreated', '{{"n": 1.50}}')""",
    f"""INSERT INTO activity.event_outbox VALUES ('{ID}e2', 'User', 'u-1', 'UserDeleted', NULL)""",
]

TYPED_ROW = """
INSERT INTO activity.event_outbox VALUES (9007199254740993, 12345678901234567890, 'User', 'UserCreated',
    '{"n": 1.50,  "a":1}', '2026-11-23 07:09:10.123456', 12345678901234567890.1234567890, -98765432109876543210,
    3.14159265358979323846264338327950288, '{1.10,NULL,-2.00}', '2026-11-23 07:09:10.123',
    '1969-12-31 23:59:59.999999', '2026-11-23 09:09:10.5+02', '2026-11-23', '07:09:10.120', '23:59:59.000001', true,
    0.1, '\\x00ff', '{"n": 1.50}', '0190a1b2-0000-7000-8000-0000000000f1', NULL)
"""
TYPED_NULLS = """
INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, created_at)
    VALUES (2, 0, 'User', 'UserCreated', 'null', '1969-12-31 23:59:59.9995')
"""

CREATED_AT = [
    f"INSERT INTO activity.event_outbox VALUES ('{ID}e{n}', {n}, '{ID}a1', 'User', 'UserCreated', '{{}}', 'pending', {at})"
    for n, at in enumerate(["NULL", "'infinity'", "'-infinity'", "'0001-01-01 00:00:00+00'", "'9999-12-31 23:59:59+00'"])
]

INFINITE = """
CREATE TABLE activity.event_outbox (
    event_id       text         PRIMARY KEY,
    aggregate_id   text         NOT NULL,
    aggregate_type text         NOT NULL,
    event_type     text         NOT NULL,
    payload        jsonb        NOT NULL,
    created_at     timestamp,
    at_us          timestamp,
    at_ms          timestamp(3),
    zoned          timestamptz,
    day            date
);
"""
INFINITIES = [
    "INSERT INTO activity.event_outbox VALUES ('e1', 'a', 'T', 'Echo', '{}', NULL, 'infinity', '-infinity', 'infinity', '2026-11-23')",
    "INSERT INTO activity.event_outbox VALUES ('e2', 'a', 'T', 'Echo', '{}', NULL, '-infinity', 'infinity', '-infinity', NULL)",
    "INSERT INTO activity.event_outbox VALUES ('e3', 'a', 'T', 'Echo', '{}', 'infinity')",
    "INSERT INTO activity.event_outbox VALUES ('e4', 'a', 'T', 'Echo', '{}', '-infinity')",
]
FAR_TIMES = [
    f"INSERT INTO activity.event_outbox VALUES ('{ID}e{n}', {n}, '{ID}a1', 'User', 'UserCreated', '{{}}', 'pending', '{at}')"
    for n, at in enumerate(["0044-03-15 12:00:00+00 BC", "4713-01-01 00:00:00+00 BC", "20000-01-01 00:00:00+00", "294246-12-31 23:59:59.999999+00"])
]

# Every kind of value that Debezium can report as left out of a change, because it is stored apart.
KINDS_APART = {
    "attrs": ("hstore", "hstore('k', repeat('x', 2100))"),
    "label": ("text", "repeat('x', 2100)"),
    "document": ("jsonb", "jsonb_build_object('k', repeat('x', 2100))"),
    "blob": ("bytea", "decode(repeat('00ff', 1050), 'hex')"),
    "texts": ("text[]", "array_fill('x'::text, ARRAY[600])"),
    "numbers": ("int[]", "array_fill(7, ARRAY[600])"),
    "longs": ("bigint[]", "array_fill(7::bigint, ARRAY[300])"),
    "uuids": ("uuid[]", f"array_fill('{ID}f1'::uuid, ARRAY[150])"),
    "days": ("date[]", "array_fill('2026-11-23'::date, ARRAY[600])"),
}


def apart(*columns: str) -> tuple[str, list[str]]:
    """Returns a table of these columns, and statements that leave out one column at a time: only the row's key
    changes."""
    kinds = "".join(f",\n    {column} {KINDS_APART[column][0]}" for column in columns)
    storage = ", ".join(f"ALTER {column} SET STORAGE EXTERNAL" for column in columns)
    table = f"""
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE TABLE activity.event_outbox (
    event_id       text  PRIMARY KEY,
    aggregate_id   text  NOT NULL,
    aggregate_type text  NOT NULL,
    event_type     text  NOT NULL,
    payload        jsonb NOT NULL{kinds}
);
ALTER TABLE activity.event_outbox {storage};
"""
    rows = [
        statement
        for column in columns
        for statement in [
            f"""INSERT INTO activity.event_outbox (event_id, aggregate_id, aggregate_type, event_type, payload, {column})
                VALUES ('{column}', 'a', 'T', 'Echo', '{{}}', {KINDS_APART[column][1]})""",
            f"UPDATE activity.event_outbox SET event_id = '{column}-moved' WHERE event_id = '{column}'",
        ]
    ]
    return table, rows


APART, LEFT_OUT = apart(*KINDS_APART)
TWO_APART, TWO_LEFT_OUT = apart("attrs", "blob")

WITH_SCHEMAS = {"key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true"}


def route(**more: str) -> dict[str, str]:
    """Returns the EventRouter, set to the outbox table's columns."""
    own = {
        "type": ROUTER,
        "route.by.field": "aggregate_type",
        "table.field.event.id": "event_id",
        "table.field.event.key": "aggregate_id",
        "table.field.event.payload": "payload",
    }
    return transforms(outbox=own | {name.replace("_", "."): value for name, value in more.items()})


def transforms(**all_of_them: dict[str, str]) -> dict[str, str]:
    """Returns transforms in their order, which replace deploy/debezium's."""
    found = {"transforms": ",".join(all_of_them)}
    for name, settings in all_of_them.items():
        found |= {f"transforms.{name}.{setting}": value for setting, value in settings.items()}
    return found


def capture(settings: dict[str, str], table: str, *statements: str, key: str = "aggregate_id", most: int = 12) -> dict:
    """Returns a capture of the statements, each in its own transaction. A heartbeat never ends, so `most` ends it."""
    return {"settings": settings, "table": table, "statements": statements, "key": key, "most": most}


CLOUD_EVENT = {"value.converter": CLOUD_EVENTS}
PLACED = "event_type:header:eventType,sequence_id:envelope,created_at:envelope:createdAt"

CURRENT = {
    "cloud_events": capture(CLOUD_EVENT | {"value.converter.json.schemas.enable": "false"}, OUTBOX, *USUAL),
    "cloud_events_schemas": capture(CLOUD_EVENT | {"value.converter.json.schemas.enable": "true"}, OUTBOX, *USUAL),
    "cloud_events_router": capture(
        CLOUD_EVENT
        | {
            "value.converter.json.schemas.enable": "false",
            "value.converter.metadata.source": "header,id:header,type:header,dataSchemaName:header",
            "header.converter": JSON,
            "header.converter.schemas.enable": "true",
        }
        | transforms(
            # The converter reads the source's data from a header.
            source={
                "type": "org.apache.kafka.connect.transforms.HeaderFrom$Value",
                "fields": "source,op,transaction",
                "headers": "source,op,transaction",
                "operation": "copy",
            },
            outbox={
                "type": ROUTER,
                "route.by.field": "aggregate_type",
                "table.field.event.id": "event_id",
                "table.field.event.key": "aggregate_id",
                "table.fields.additional.placement": "event_type:header:type,aggregate_type:header:dataSchemaName",
                # The converter accepts only objects.
                "table.expand.json.payload": "true",
            },
        ),
        OUTBOX,
        ACTIVITY,
    ),
    # Debezium's converter writes only structured events. These are made from what the EventRouter puts into headers.
    "cloud_events_binary": capture(
        transforms(
            outbox={
                "type": ROUTER,
                "route.by.field": "aggregate_type",
                "table.field.event.id": "event_id",
                "table.field.event.key": "aggregate_id",
                "table.fields.additional.placement":
                    "event_id:header:ce_id,event_type:header:ce_type,aggregate_type:header:ce_source,"
                    "created_at:header:ce_time,aggregate_id:header:ce_subject",
            },
            version={
                "type": "org.apache.kafka.connect.transforms.InsertHeader",
                "header": "ce_specversion",
                "value.literal": "1.0",
            },
        ),
        OUTBOX,
        *USUAL,
    ),
    "key_change": capture({"tombstones.on.delete": "true"}, OUTBOX, *KEY_CHANGE, key="event_id"),
    "flattened_key_change": capture(
        transforms(flat={"type": FLATTEN, "add.fields": "op", "delete.tombstone.handling.mode": "rewrite-with-tombstone"}),
        OUTBOX,
        *KEY_CHANGE,
        key="event_id",
    ),
    "flattened_schemas": capture(
        WITH_SCHEMAS
        | transforms(flat={"type": FLATTEN, "add.headers": "op", "delete.tombstone.handling.mode": "tombstone"}),
        OUTBOX,
        *USUAL,
    ),
    "transaction_metadata": capture({"provide.transaction.metadata": "true"}, OUTBOX, USER, ACTIVITY),
    "column_types": capture(WITH_SCHEMAS | {"decimal.handling.mode": "precise"}, TYPES, TYPED_ROW, TYPED_NULLS),
    "column_types_connect": capture(
        WITH_SCHEMAS | {"decimal.handling.mode": "precise", "time.precision.mode": "connect"}, TYPES, TYPED_ROW, TYPED_NULLS
    ),
    "column_types_strings": capture({}, TYPES, TYPED_ROW, TYPED_NULLS),
    "created_at": capture({}, OUTBOX, *CREATED_AT),
    "created_at_far": capture({}, OUTBOX, *FAR_TIMES),
    "infinity": capture(dict(WITH_SCHEMAS), INFINITE, *INFINITIES),
    "infinity_nanoseconds": capture(WITH_SCHEMAS | {"time.precision.mode": "nanoseconds"}, INFINITE, *INFINITIES),
    "infinity_microseconds": capture(WITH_SCHEMAS | {"time.precision.mode": "microseconds"}, INFINITE, *INFINITIES),
    "infinity_connect": capture(WITH_SCHEMAS | {"time.precision.mode": "connect"}, INFINITE, *INFINITIES),
    "infinity_isostring": capture(WITH_SCHEMAS | {"time.precision.mode": "isostring"}, INFINITE, *INFINITIES),
    "not_sent": capture({}, APART, *LEFT_OUT, key="event_id", most=30),
    "not_sent_other_modes": capture(
        {"hstore.handling.mode": "map", "binary.handling.mode": "hex"}, TWO_APART, *TWO_LEFT_OUT, key="event_id"
    ),
    "other_shape": capture({}, OTHER_SHAPE, *OTHER_ROWS, key="aggregateid"),
    "other_shape_router": capture(
        transforms(outbox={"type": ROUTER, "table.fields.additional.placement": "type:header:eventType"}),
        OTHER_SHAPE,
        *OTHER_ROWS,
        key="aggregateid",
    ),
    "other_shape_router_tombstones": capture(
        transforms(
            outbox={
                "type": ROUTER,
                "table.fields.additional.placement": "type:header:eventType",
                "route.tombstone.on.empty.payload": "true",
            }
        ),
        OTHER_SHAPE,
        *OTHER_ROWS,
        key="aggregateid",
    ),
    "outbox_router_schemas": capture(
        WITH_SCHEMAS | route(table_fields_additional_placement=PLACED), OUTBOX, *USUAL
    ),
}

# Debezium 2.4, the predecessor's series. Connect 4.3 answers 500 to a connector with its CloudEventsConverter.
OLD = {
    "v2_4_envelope": capture({"tombstones.on.delete": "true"}, OUTBOX, *USUAL, *KEY_CHANGE, key="event_id"),
    "v2_4_schemas": capture(dict(WITH_SCHEMAS), OUTBOX, USER),
    "v2_4_flattened": capture(
        transforms(flat={"type": FLATTEN, "add.fields": "op", "delete.handling.mode": "rewrite"}), OUTBOX, *USUAL
    ),
    "v2_4_outbox_router": capture(route(table_fields_additional_placement=PLACED), OUTBOX, *USUAL),
    "v2_4_transaction_metadata": capture({"provide.transaction.metadata": "true"}, OUTBOX, USER),
    "v2_4_heartbeat": capture({"heartbeat.interval.ms": "300"}, OUTBOX, USER),
}

for each in OLD.values():
    # Version 3 calls this no_data.
    each["settings"]["snapshot.mode"] = "never"
