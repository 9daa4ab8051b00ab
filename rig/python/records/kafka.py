"""Families of what surrounds a value in Kafka, and of events that come more than once."""

from __future__ import annotations

from described import ABORTED, DUPLICATE, EVENT_BYTES, RECORD_BYTES, ROUTE, VERBATIM, Family, dead, left_out, obj, quoted
from forms import cloud_event, envelope, field, flattened, given, routed, with_schema, wrapped

MIB = 1 << 20


def headers(family: Family) -> None:
    def with_headers(pairs: list, kept: list) -> None:
        row = family.row()
        family.add(envelope(row.columns()), row.event(headers=kept), headers=pairs)

    trace = ("traceparent", "00-ab-cd-01")
    for name in [b"\xff", b"\xc3\x28", b"ok\xfe", b"\xed\xa0\x80", b"\x80" * 300]:
        with_headers([(name, "v"), trace], [list(trace)])
        # A record that is kept has its own bytes, including names.
        family.add("no json", dead("the value is not JSON"), headers=[(name, "v"), (name, None), trace])
    for value in [b"\xff", b"\x80\x81", b"\xed\xa0\x80", b"\x00\xff", None]:
        with_headers([("binary", value), trace], [list(trace)])
        family.add("no json", dead("the value is not JSON"), headers=[("binary", value), trace])
    # Clients of Kafka that are built on librdkafka see a name up to its first NUL.
    with_headers([(b"nul\0rest", "v")], [["nul", "v"]])
    family.add("no json", dead("the value is not JSON"), headers=[(b"nul\0rest", "v")])
    for name, value in [("", "v"), ("empty", ""), ("ü ✓", "ü ✓"), ("a\n\x1b[31m", "\x00\n\x1b"), ("n" * 2000, "v"), ("v", "v" * 100_000), ("json", '{"a":1}')]:
        with_headers([(name, value)], [[name, value]])
        family.add("no json", dead("the value is not JSON"), headers=[(name, value)])
    with_headers([("same", "1"), ("same", "2"), ("same", "1"), ("same", b"\xff")], [["same", "1"], ["same", "2"], ["same", "1"]])
    with_headers([("__debezium.context.runId", "r"), ("__debezium.context.connectorName", "c"), trace], [list(trace)])
    with_headers([("id", b"\xff"), ("specversion", "9"), ("op", "d")], [["specversion", "9"], ["op", "d"]])
    many = [(f"h{n}", str(n)) for n in range(1000)]
    with_headers(many, given(many))
    for more in [1001, 3000]:
        row = family.row()
        many = [(f"h{n}", str(n)) for n in range(more)]
        family.add(envelope(row.columns()), dead(f"the record has {more} headers", event_id=row.id), headers=many)
    with_headers([("h", "v" * 900_000)], [["h", "v" * 900_000]])
    row = family.row()
    expect = dead("event_bytes", "event-size", handler="verbatim", event_id=row.id)
    family.add(envelope(row.columns()), expect, headers=[("h", "v" * (MIB - 1))])
    for value in ["v" * MIB, b"\xff" * MIB]:
        row = family.row()
        family.add(envelope(row.columns()), dead("the record's headers have 1048577 bytes", event_id=row.id), headers=[("h", value)])


def keys(family: Family) -> None:
    odd = [None, b"", b"null", b"{", b"\xff\xfe", b"\x00", b"{}", b"[]", "ü".encode(), b"k" * 900_000, b'"', b"\xed\xa0\x80", b'{"$serde_json::private::RawValue":"1"}']
    for key in odd:
        row = family.row()
        family.add(envelope(row.columns()), row.event(), key=key)
        family.add("no json", dead("the value is not JSON"), key=key)
    long = "k" * 1024
    for key, aggregate in [("a", "a"), ('"a"', "a"), ("12", "12"), (wrapped('{"type":"string"}', '"a"'), "a"), (wrapped('{"type":"int64"}', "7"), "7"), ("true", "true"), ("1.5", "1.5"), (long, long), ("{", "{"), (" a ", " a "), ('"a', '"a')]:
        row = family.row()
        more = routed(row) | {"key": key}
        family.add(row.payload, row.event(headers=given(more["headers"]), aggregate_type=ROUTE, aggregate_id=aggregate), **more)
    for key, message in [
        (None, "absent"), (b"", "empty"), ("null", "null"), ("{}", "an object"), ("[1]", "an array"), ('{"id":1}', "an object"), (b"\xff", "not UTF-8"), (wrapped('"own"', '"k"'), "an object"), ("k" * 65_537, "longer than 64 KiB"),
    ]:
        row = family.row()
        family.add(row.payload, dead(f"the record's key is {message}", event_id=row.id), **(routed(row) | {"key": key}))
    row = family.row()
    family.add(row.payload, dead("the row's aggregate_id has 1025 bytes", event_id=row.id), **(routed(row) | {"key": "k" * 1025}))


def conflicts(family: Family) -> None:
    """Writes each of these pairs in one lane, because the first decides what becomes of the second."""
    def second(expect: dict | str, change=lambda row: row, form=lambda row: envelope(row.columns()), **more) -> None:
        row = family.row(created_at=None)
        lane = f"{family.tag}-conflict-{family.rows}"
        family.add(envelope(row.columns()), row.event(), lane=lane)
        expect = dead("is another event's", expect, event_id=row.id) if isinstance(expect, str) else expect
        family.add(form(change(row)), expect, lane=lane, **({"key": row.aggregate_id} | {name: make(row) for name, make in more.items()}))

    second(DUPLICATE)
    for change in [{"payload": '{"other":1}'}, {"aggregate_type": "Other"}, {"sequence": "9"}]:
        second(DUPLICATE, lambda row, change=change: row.with_(**change))
    for change in [{"aggregate_id": "another"}, {"event_type": "Echo"}, {"created_at": "2026-11-23T07:09:10Z"}, {"aggregate_id": "\u0000"}]:
        second("id-conflict", lambda row, change=change: row.with_(**change))
    second(DUPLICATE, form=flattened)
    second(DUPLICATE, form=lambda row: flattened(row, ("__op", '"c"')))
    second(DUPLICATE, form=lambda row: wrapped('{"type":"struct"}', envelope(row.columns())))
    second(DUPLICATE, form=lambda row: cloud_event(row, row.payload))
    second(DUPLICATE, form=lambda row: row.payload, headers=lambda row: routed(row)["headers"])
    second("id-conflict", form=lambda row: row.payload, headers=lambda row: [("id", row.id), ("eventType", "Other")])
    second(dead("the row has no column payload"), form=lambda row: envelope(row.columns(payload=None)))
    second({"is": "ignored", "kind": "update"}, form=lambda row: envelope(row.columns(), op='"u"'))
    second({"is": "ignored", "kind": "delete"}, form=lambda row: envelope("null", op='"d"', before=obj(row.columns())))
    # Ids that only look alike are different events.
    for a, b in [("e\u0301", "\u00e9"), ("A", "a"), ("1", "01"), ("x", "x "), ("x", "x\u0000")]:
        row = family.row()
        lane = f"{family.tag}-alike-{family.rows}"
        for end in [a, b]:
            one = row.with_(id=f"{row.id}{end}")
            family.add(envelope(one.columns()), one.event(), lane=lane)


def large(family: Family) -> None:
    """Values that are large in every place where they may be."""
    size, event = family.large, min(family.large, EVENT_BYTES // 2)
    row = family.row(payload=quoted("x" * event))
    family.add(envelope(row.columns()), row.event())
    row = family.row(payload="[" + ",".join(["0"] * (event // 2)) + "]")
    family.add(envelope(row.columns(payload=row.payload)), row.event())
    row = family.row(payload="{" + ",".join(f'"k{n}":{n}' for n in range(event // 16)) + "}")
    more = routed(row)
    family.add(row.payload, row.event(headers=given(more["headers"]), aggregate_type=ROUTE), **more)
    row = family.row(payload=quoted("x" * max(size, EVENT_BYTES)))
    family.add(envelope(row.columns()), dead("event_bytes", "event-size", handler="verbatim", event_id=row.id))
    # Columns in the row that nobody asks for cost nothing but their bytes.
    row = family.row()
    family.add(envelope(obj([*row.columns().items(), *((f"c{n}", "0") for n in range(size // 12))])), row.event())
    row = family.row()
    value = "[" + ",".join(["0"] * (event // 4)) + "]"
    family.add(envelope(row.columns(extra=value)), row.event(columns=obj({"extra": value})))
    # As many fields in the schema as columns in the row, each of which is looked up.
    row = family.row()
    names = [f"c{n}" for n in range(min(size // 400, 2000))]
    fields = [field(name, "int32", "io.debezium.time.Date") for name in names]
    columns = row.columns() | {name: "0" for name in names}
    family.add(with_schema(columns, field("at_us", "int64"), *fields), row.event())
    row = family.row()
    family.add(envelope(row.columns(), op=quoted("x" * size)), dead('the op "xxxxxxxxxxxxxxxx" is not known', event_id=row.id))
    not_json = dead("the value is not JSON")
    family.add(b"x" * size, not_json)
    family.add("[" * size, not_json)
    family.add('{"a":' * (size // 5), not_json)
    family.add(b"\xff" * size, dead("the value is not UTF-8 at byte 0"), key=b"\xfe" * (size // 4), headers=[(b"\xfd" * 1000, b"\xfc" * (size // 4))])
    family.add("7" * size, dead("the value is a number of no form that is known"))
    family.add("{" + ",".join(['"id":1'] * (size // 7)) + "}", dead("the value is an object of no form that is known"))
    row = family.row()
    family.add("{" + ",".join([f'"event_id":"{row.id}"'] * (size // 32)) + "}", dead("the row has the column event_id twice"))


def compression(family: Family) -> None:
    """Each kind of compression in batches of its own, with good and bad records together."""
    for kind in ["gzip", "snappy", "lz4", "zstd"]:
        for n in range(4):
            row = family.row(payload=f'{{"n":{n},"text":"{"x" * 1000}"}}')
            family.add(envelope(row.columns()), row.event(), compression=kind)
            family.add(b"\xff" + bytes([n]), dead("the value is not UTF-8 at byte 0"), compression=kind, key=None)


def expanded(family: Family) -> None:
    """Small for Kafka and large for a reader: an event with as many bytes as allowed, and records with more."""
    for kind, more in [("gzip", 0), ("gzip", 1), ("zstd", RECORD_BYTES)]:
        row = family.row()
        text = envelope(row.columns())
        text += " " * (RECORD_BYTES - len(text.encode()) + more)
        expect = left_out(RECORD_BYTES + more) if more else row.event()
        family.add(text, expect, compression=kind, key=None)
    family.add(b"\xff" * 3 * RECORD_BYTES, left_out(3 * RECORD_BYTES), compression="gzip", key=None)


def transactions(family: Family) -> None:
    """Records that a producer aborted were never there. Those that it committed are like any other."""
    for n in range(4):
        for kind in ["none", "zstd"]:
            name = f"{family.tag}-{n}-{kind}"
            row = family.row()
            family.add(envelope(row.columns()), ABORTED | {"id": row.id}, transaction=f"aborted-{name}", compression=kind)
            family.add("no json", ABORTED, transaction=f"aborted-{name}", compression=kind)
            # The same event, first aborted and then committed.
            family.add(envelope(row.columns()), row.event(), transaction=f"committed-{name}", compression=kind)
            family.add("no json", dead("the value is not JSON"), transaction=f"committed-{name}", compression=kind)
            assert row.event_type == VERBATIM
