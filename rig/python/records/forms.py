"""The forms in which a row arrives in Kafka: Debezium's, the EventRouter's, and CloudEvents."""

from __future__ import annotations

from described import Row, obj, quoted

SOURCE = '{"version":"3.7.0.Final","connector":"postgresql","name":"p","ts_ms":1,"db":"d","schema":"s","table":"t"}'
TYPED = {"boolean", "int8", "int16", "int32", "int64", "float", "double", "bytes", "string", "array", "map", "struct"}


def envelope(after: str | dict[str, str], op: str = '"c"', **changes: str | None) -> str:
    members = {
        "before": "null",
        "after": after if isinstance(after, str) else obj(after),
        "source": SOURCE,
        "transaction": "null",
        "op": op,
        "ts_ms": "1795417750999",
    }
    members |= changes
    return obj({name: value for name, value in members.items() if value is not None})


def field(name: str, kind: str = "string", semantic: str | None = None, **more: str) -> str:
    members = {"type": quoted(kind), "optional": "true", "field": quoted(name)}
    if semantic is not None:
        members["name"] = quoted(semantic)
    return obj(members | more)


def struct(*fields: str, name: str | None = None) -> str:
    members = {"type": '"struct"', "optional": "false", "fields": f"[{','.join(fields)}]"}
    if name is not None:
        members["field"] = quoted(name)
    return obj(members)


def schema_of_envelope(*fields: str) -> str:
    return struct(struct(*fields, name="before"), struct(*fields, name="after"), field("op"))


def wrapped(schema: str, payload: str) -> str:
    return obj({"schema": schema, "payload": payload})


def with_schema(columns: dict[str, str], *fields: str) -> str:
    """Returns the envelope beside a schema of some of the columns."""
    return wrapped(schema_of_envelope(*fields), envelope(columns))


def flattened(row: Row, *more: tuple[str, str], **changes: str | None) -> str:
    return obj([*row.columns(**changes).items(), *more])


def router_headers(row: Row, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("id", row.id), ("eventType", row.event_type), *more]


def routed(row: Row, *more: tuple[str, str]) -> dict:
    """Returns the headers and key of a record that the EventRouter writes, and what its event gets from them."""
    return {"headers": router_headers(row, *more), "key": row.aggregate_id}


def given(headers: list[tuple[str, str]]) -> list[list[str]]:
    """Returns the headers as a handler gets them."""
    return [[name, value] for name, value in headers]


def cloud_event(row: Row, data: str | None, **changes: str | None) -> str:
    members = {
        "specversion": '"1.0"',
        "id": quoted(row.id),
        "source": '"/shop"',
        "type": quoted(row.event_type),
        "subject": quoted(row.aggregate_id),
        "aggregatetype": quoted(row.aggregate_type),
        "data": data,
    }
    members |= changes
    return obj({name: value for name, value in members.items() if value is not None})


def cloud_change(row: Row, data: str, op: str | None = '"c"', **changes: str | None) -> str:
    """Returns what Debezium's CloudEventsConverter writes."""
    members = {
        "specversion": '"1.0"',
        "id": '"name:p;lsn:1;txId:2"',
        "source": '"/debezium/postgresql/p"',
        "type": '"io.debezium.connector.postgresql.DataChangeEvent"',
        "time": '"2026-11-23T07:09:10Z"',
        "iodebeziumop": op,
        "data": data,
    }
    members |= changes
    return obj({name: value for name, value in members.items() if value is not None})


def binary_headers(row: Row, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [
        ("ce_specversion", "1.0"),
        ("ce_id", row.id),
        ("ce_source", "/shop"),
        ("ce_type", row.event_type),
        ("ce_subject", row.aggregate_id),
        ("ce_aggregatetype", row.aggregate_type),
        *more,
    ]
