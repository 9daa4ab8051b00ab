"""Families of the forms in which a row arrives, and of what only looks like them."""

from __future__ import annotations

from described import ROUTE, VERBATIM, Family, dead, ignored, obj, quoted
from forms import SOURCE, binary_headers, cloud_change, cloud_event, envelope, field, flattened, given, routed, schema_of_envelope, struct, wrapped

ROW_SCHEMA = struct(field("event_id"))


def wrappers(family: Family) -> None:
    typed = schema_of_envelope(field("event_id"))
    for schema in [typed, "null", '{"type":"struct"}', '{"type":"struct","fields":[],"name":"x","version":1}']:
        row = family.row()
        family.add(wrapped(schema, envelope(row.columns())), row.event())
        row = family.row()
        family.add(f' {{ "payload" : {envelope(row.columns())} , "schema" : {schema} }} ', row.event())
        row = family.row()
        family.add(wrapped(schema, flattened(row)), row.event())
    unknown = dead("of no form that is known")
    row = family.row()
    family.add(wrapped(typed, wrapped(typed, envelope(row.columns()))), unknown)
    for schema in ['{"name":"orders","version":1}', '"orders"', "7", "[]", "{}", '{"type":"object"}', '{"type":["struct"]}', '{"type":"string"}']:
        row = family.row()
        family.add(wrapped(schema, envelope(row.columns())), unknown)
        row = family.row(payload=wrapped(schema, '{"id":1}'))
        more = routed(row)
        family.add(row.payload, row.event(headers=given(more["headers"]), aggregate_type=ROUTE), **more)
    for schema, value, payload in [
        ('{"type":"string"}', '"{\\"id\\":1}"', '{"id":1}'), ('{"type":"struct"}', '{"id":1}', '{"id":1}'), ("null", '{"id":1}', '{"id":1}'),
        ('{"type":"int32"}', "7", "7"), ('{"type":"array"}', "[7]", "[7]"), ('{"type":"string"}', "null", "null"),
    ]:
        row = family.row(payload=payload)
        more = routed(row)
        family.add(wrapped(schema, value), row.event(headers=given(more["headers"]), aggregate_type=ROUTE), **more)
    row = family.row()
    family.add(obj({"schema": typed, "payload": envelope(row.columns()), "more": "1"}), unknown)
    family.add(obj([("schema", typed), ("schema", typed), ("payload", envelope(row.columns()))]), unknown)
    family.add(wrapped("null", "null"), ignored("delete"))
    family.add(wrapped('{"type":"struct"}', "null"), ignored("delete"))
    family.add(wrapped(typed, "7"), unknown)
    large = struct(field("created_at", "int64", "io.debezium.time.MicroTimestamp"), field("x" * (1 << 20)))
    row = family.row()
    family.add(wrapped(large, flattened(row)), row.event())
    row = family.row()
    family.add(wrapped(large, flattened(row, created_at="5")), dead("at most 1048576 are allowed", event_id=row.id))
    for broken in ['{"type":"struct","fields":7}', '{"type":"struct","fields":[7]}', '{"type":"struct","fields":"a secret"}']:
        row = family.row()
        expect = dead("the schema that says what a column holds cannot be read: another type was expected", event_id=row.id)
        family.add(wrapped(broken, flattened(row, created_at="5")), expect)
        row = family.row()
        family.add(wrapped(broken, flattened(row)), row.event())
    row = family.row()
    repeated = struct(field("created_at", "int64"), field("created_at", "int64", "io.debezium.time.MicroTimestamp"))
    family.add(wrapped(repeated, flattened(row, created_at="5")), dead("it has the field created_at twice", event_id=row.id))


def router(family: Family) -> None:
    def taken(value: str | None, row, *more: tuple[str, str], key: str | bytes | None = b"-", **changes) -> None:
        headers = routed(row, *more)
        expect = row.event(headers=given(headers["headers"]), **({"aggregate_type": ROUTE} | changes))
        family.add(value, expect, headers=headers["headers"], key=row.aggregate_id if key == b"-" else key)

    for payload in ['{"n":1.50}', "null", "7", "[]", "true", '{"payload":1}', '{"payload":1,"title":"t"}', '{"ts_ms":1}', '{"event_id":"other"}',
                    '{"op":"d","source":"web","message":"m"}', '{"op":"u","after":"noon"}', '{"__deleted":"true","__op":"d"}', '{"schema":1}',
                    '{"op":"c","after":{"event_id":"x"},"before":null}', '{"type":"Invoice","payload":{"id":1}}', '{"specversion":"1.0"}', " { } "]:
        row = family.row(payload=payload.strip())
        taken(payload, row)
        row = family.row(payload=payload)
        taken(quoted(payload), row)
    taken(None, family.row(payload="null"))
    row = family.row(payload='{"a":1}', sequence="3")
    value = obj({"payload": quoted(row.payload), "sequence_id": "3", "aggregateType": '"Account"', "aggregate_id": '"b"'})
    taken(value, row, aggregate_type="Account", aggregate_id="b")
    row = family.row(payload='{"a":1}')
    taken(obj({"payload": row.payload, "type": quoted(VERBATIM)}), row)
    row = family.row(payload='{"a":1}', sequence="7")
    taken(row.payload, row, ("sequenceId", "7"), ("aggregatetype", "Account"), ("aggregate_id", "c"), aggregate_type="Account", aggregate_id="c")
    row = family.row(payload='{"a":1}')
    taken(obj({"payload": row.payload, "createdAt": "null", "extra": "7"}), row, columns='{"extra":7}')
    row = family.row(payload='{"a":1}')
    taken(obj({"payload": row.payload, "extra": "7"}), row, columns='{"extra":7}')
    for value in ['{"payload":{"a":1},"createdAt":null,"tenant":7}', '{"payload":{"a":1},"sequence_id":3,"type":"Invoice"}']:
        row = family.row()
        family.add(value, dead("so it may be what the EventRouter places beside a payload", event_id=row.id), **routed(row))
    row = family.row(event_type="Nobody")
    family.add("{}", {"is": "unhandled", "id": row.id}, headers=[("id", row.id)], key=row.aggregate_id)
    for header, message in [(b"\xff", "the header eventType is not UTF-8")]:
        row = family.row()
        family.add("{}", dead(message, event_id=row.id), headers=[("id", row.id), ("eventType", header)], key=row.aggregate_id)
    row = family.row()
    headers = [("id", quoted(row.id)), ("type", wrapped('{"type":"string"}', quoted(VERBATIM)))]
    expect = row.event(headers=given(headers), aggregate_type=ROUTE, payload="{}")
    family.add("{}", expect, headers=headers, key=row.aggregate_id)
    whole = family.row()
    family.add(flattened(whole), whole.event(headers=[["id", "other"]]), headers=[("id", "other")])
    for op, kind in [("u", "update"), ("d", "delete"), ("t", "truncate")]:
        row = family.row()
        family.add(envelope(row.columns(), op=quoted(op)), ignored(kind), headers=[("id", row.id)])


def flat(family: Family) -> None:
    for more in [[("__op", '"c"')], [("__op", '"c"'), ("__deleted", '"false"')], [("__deleted", '"false"')], [("__deleted", "false")], [("__deleted", "null")], [("__op", "null")], []]:
        row = family.row()
        family.add(flattened(row, *more), row.event())
        row = family.row()
        family.add(wrapped(ROW_SCHEMA, flattened(row, *more)), row.event())
    for op in ["c", '"c"', wrapped('{"type":"string"}', '"c"')]:
        row = family.row()
        family.add(flattened(row), row.event(headers=[["__op", op]]), headers=[("__op", op)])
    for more, kind in [
        ([("__op", '"u"')], "update"), ([("__op", '"r"')], "snapshot"), ([("__op", '"d"'), ("__deleted", '"true"')], "delete"), ([("__op", '"t"')], "truncate"),
        ([("__op", '"m"')], "logical_message"), ([("__deleted", '"true"')], "delete"), ([("__deleted", "true")], "delete"), ([("__op", '"u"'), ("__deleted", '"false"')], "update"),
    ]:
        row = family.row()
        family.add(flattened(row, *more), ignored(kind))
    for header, value, kind in [("__op", "u", "update"), ("__deleted", "true", "delete"), ("__op", '"d"', "delete")]:
        row = family.row()
        family.add(flattened(row), ignored(kind), headers=[(header, value)])
    # The first of two headers counts. A member takes precedence over a header.
    row = family.row()
    family.add(flattened(row), row.event(headers=[["__op", "c"], ["__op", "d"]]), headers=[("__op", "c"), ("__op", "d")])
    row = family.row()
    family.add(flattened(row, ("__op", '"c"')), row.event(headers=[["__op", "d"]]), headers=[("__op", "d")])
    row = family.row()
    family.add(flattened(row), dead("the header __op is not UTF-8"), headers=[("__op", b"\xff")])
    # Columns with these names do not make a row an envelope.
    for more in [[("op", '"d"'), ("source", '"web"')], [("op", '"u"'), ("message", '"m"')], [("op", '"t"'), ("source", '{"a":1}')]]:
        row = family.row()
        family.add(flattened(row, *more), row.event())


def cloud(family: Family) -> None:
    for data, payload in [('{"n": 1.10}', '{"n": 1.10}'), ('"{\\"n\\":1}"', '{"n":1}'), ("null", "null"), (None, "null"), ('{"op":"d","source":"web","before":1}', '{"op":"d","source":"web","before":1}'),
                          ('{"schema":{"name":"o"},"payload":1}', '{"schema":{"name":"o"},"payload":1}'), ('{"schema":{"type":"int32"},"payload":1}', "1")]:
        row = family.row(payload=payload)
        family.add(cloud_event(row, data), row.event())
        if data is not None:
            row = family.row(payload=payload)
            headers = binary_headers(row)
            family.add(data, row.event(headers=given(headers)), headers=headers)
    row = family.row(payload='{"a":1}')
    family.add(cloud_event(row, None, data_base64='"eyJhIjoxfQ=="'), row.event())
    row = family.row(payload="null")
    headers = binary_headers(row)
    family.add(None, row.event(headers=given(headers)), headers=headers)
    for changes, aggregate in [({"subject": None}, "k"), ({"subject": None, "partitionkey": '"p"'}, "p"), ({"aggregateid": '"i"'}, "i"), ({"subject": "null", "partitionkey": "7"}, "7")]:
        row = family.row()
        family.add(cloud_event(row, row.payload, **changes), row.event(aggregate_id=aggregate))
    row = family.row()
    family.add(cloud_event(row, row.payload, aggregatetype=None), row.event(aggregate_type=ROUTE))
    for changes, message in [
        ({"specversion": '"0.3"'}, "specversion is not 1.0"), ({"specversion": "1.0"}, "specversion is a number, not a text"), ({"data_base64": '"e30="'}, "both data and data_base64"),
        ({"data": None, "data_base64": '"?"'}, "no base64"), ({"data": None, "data_base64": '"/w=="'}, "no base64"), ({"data": '"text"'}, "is not JSON"), ({"data": None, "data_base64": '"eA=="'}, "is not JSON"),
        ({"subject": "{}"}, "the row's subject is an object, not a text"), ({"time": "1.5"}, "the row's time is a number, not a text"), ({"time": '"noon"'}, "no time with an offset"),
        ({"type": "true"}, "the row's type is a boolean"), ({"type": '""'}, "the row's event_type is an empty text"), ({"iodebeziumop": '"x"'}, "is not known"),
        ({"sequence_id": '"x"'}, "not a whole number"), ({"subject": quoted("s" * 1025)}, "the row's aggregate_id has 1025 bytes"),
    ]:
        row = family.row()
        family.add(cloud_event(row, changes.pop("data", "{}"), **changes), dead(message))
    row = family.row()
    family.add("{}", dead("the header ce_subject is not UTF-8", event_id=row.id), headers=[*binary_headers(row)[:-2], ("ce_subject", b"\xff")])
    row = family.row()
    family.add("no json", dead("the value is not JSON", event_id=row.id), headers=binary_headers(row))
    row = family.row()
    family.add("{}", dead("specversion is not 1.0", event_id=row.id), headers=[("ce_specversion", "2.0"), *binary_headers(row)[1:]])
    for op, kind in [("u", "update"), ("d", "delete"), ("r", "snapshot"), ("t", "truncate"), ("m", "logical_message")]:
        row = family.row()
        family.add(cloud_change(row, obj({"before": "null", "after": obj(row.columns())}), quoted(op)), ignored(kind))
        family.add(cloud_change(row, "null", quoted(op)), ignored(kind))
    for data in [lambda row: obj({"before": "null", "after": obj(row.columns())}), lambda row: wrapped('{"type":"struct"}', obj({"before": "null", "after": obj(row.columns())})),
                 lambda row: obj({"before": "null", "after": obj(row.columns()), "op": '"c"', "source": SOURCE})]:
        for op in ['"c"', None]:
            row = family.row()
            family.add(cloud_change(row, data(row), op), row.event())
    row = family.row()
    for data, op, message in [("[1]", '"c"', "the CloudEvent's data is an array"), ("{}", '"x"', "is not known"), ('{"before":null,"after":null}', '"c"', "it has no row in after"), ("7", None, "the CloudEvent's data is a number")]:
        family.add(cloud_change(row, data, op), dead(message))


def no_events(family: Family) -> None:
    family.add(None, ignored("tombstone"))
    family.add(None, ignored("tombstone"), key=None)
    family.add(None, ignored("tombstone"), key=b"\xff")
    family.add("null", ignored("delete"))
    family.add(" null ", ignored("delete"))
    family.add(None, ignored("tombstone"), headers=[("__op", "d")])
    for op, kind in [("u", "update"), ("d", "delete"), ("r", "snapshot"), ("t", "truncate"), ("m", "logical_message")]:
        for after in ["null", "{}", obj(family.row().columns())]:
            family.add(envelope(after, op=quoted(op)), ignored(kind))
    family.add('{"op":"m","message":{}}', ignored("logical_message"))
    for key in ['{"serverName":"p"}', wrapped("null", '{"serverName":"p"}')]:
        family.add('{"ts_ms":1}', ignored("heartbeat"), key=key)
        family.add(wrapped('{"type":"struct"}', '{"ts_ms":1}'), ignored("heartbeat"), key=key)
    for status in ["BEGIN", "END"]:
        value = obj({"status": quoted(status), "id": '"5:1"', "event_count": "null", "data_collections": "null", "ts_ms": "1"})
        family.add(value, ignored("transaction_metadata"), key="{}")
