"""Families of times, and of values that were not sent."""

from __future__ import annotations

import base64
from datetime import date

from described import APART, DUPLICATE, ROUTE, Family, dead, ignored, obj, quoted
from forms import cloud_event, envelope, field, flattened, routed, with_schema

EPOCH = date(1970, 1, 1)
ERA_DAYS = 146_097


def days(year: int, month: int, day: int) -> int:
    """Returns the days since 1970, for any year. The calendar repeats every 400 years."""
    eras, like = divmod(year - 2000, 400)
    return (date(2000 + like, month, day) - EPOCH).days + eras * ERA_DAYS


def millis(year: int, month: int = 1, day: int = 1, seconds: float = 0) -> int:
    return days(year, month, day) * 86_400_000 + round(seconds * 1000)


MS, US, NS = "io.debezium.time.Timestamp", "io.debezium.time.MicroTimestamp", "io.debezium.time.NanoTimestamp"
# The values of PostgreSQL's driver for infinity, in milliseconds.
DRIVERS = {"infinity": 9_223_372_036_825_200_000, "-infinity": -9_223_372_036_832_400_000}
# The texts that Debezium makes from them.
ISO = {"infinity": "+292278994-08-16T23:00:00Z", "-infinity": "-292275055-05-16T23:00:00Z"}
LONGEST = {"infinity": 2**63 - 1, "-infinity": -(2**63)}

# Texts, and the milliseconds that they represent, rounded down.
TEXTS = [
    ("-4712-01-01T00:00:00Z", millis(-4712)),
    ("-0043-03-15T12:00:00Z", millis(-43, 3, 15, 43_200)),
    ("-0001-12-31T23:59:59.999999Z", millis(0) - 1),
    ("0000-02-29T00:00:00Z", millis(0, 2, 29)),
    ("0001-01-01T00:00:00Z", millis(1)),
    ("1582-10-10T00:00:00Z", millis(1582, 10, 10)),
    ("1969-12-31T23:59:59.9999999Z", -1),
    ("1970-01-01T00:00:00Z", 0),
    ("1970-01-01T00:00:00.000999999999999999Z", 0),
    ("2000-02-29T12:00:00.5+05:30", millis(2000, 2, 29, 43_200.5 - 19_800)),
    ("2026-11-23T07:09:10.123456Z", millis(2026, 11, 23, 25_750.123)),
    ("2026-11-23 09:09:10.123456+02:00", millis(2026, 11, 23, 25_750.123)),
    ("9999-12-31T23:59:59.999Z", millis(10_000) - 1),
    ("+10000-01-01T00:00:00Z", millis(10_000)),
    ("+20000-02-29T23:30:00.5-01:00", millis(20_000, 3, 1, 1800.5)),
    ("+294246-12-31T23:59:59.999Z", millis(294_247) - 1),
]
# Whole numbers without a schema. Their size decides the unit.
SIZES = [("0", 0), ("-1", -1), ("1795417750123", 1_795_417_750_123), ("1795417750123456", 1_795_417_750_123), ("1795417750123456789", 1_795_417_750_123)]
# Whole numbers with a schema, which gives the unit.
UNITS = [(MS, "5", 5), ("org.apache.kafka.connect.data.Timestamp", "-5", -5), (US, "5999", 5), (US, "-1", -1), (NS, "5999999", 5), (NS, "-1", -1)]

NO_TIMES = ["", "yesterday", "2026-11-23", "2026-11-23T07:09:10", "2026-13-23T07:09:10Z", "2026-02-30T00:00:00Z", "-0043-02-29T00:00:00Z",
            "20000-01-01T00:00:00Z", "+1-01-01T00:00:00Z", "2026-11-23T07:09:10+25:00", "NaN", "0", "now", "1795417750123 "]


def times(family: Family) -> None:
    """Times in a partition of their own, the earliest first, because an event must not be far behind the latest one."""
    lane, found = f"{family.tag}-times{APART}", []
    for text, ms in TEXTS:
        row = family.row(created_ms=ms)
        found.append((ms, envelope(row.columns(created_at=quoted(text))), row.event(), {}))
    for number, ms in SIZES:
        row = family.row(created_ms=ms)
        found.append((ms, flattened(row, ("__op", '"c"'), created_at=number), row.event(), {}))
    for semantic, number, ms in UNITS:
        row = family.row(created_ms=ms)
        found.append((ms, with_schema(row.columns(created_at=number), field("created_at", "int64", semantic)), row.event(), {}))
    for text, ms in [("-0043-03-15T12:00:00Z", millis(-43, 3, 15, 43_200)), ("1795417750123", 1_795_417_750_123), ("+20000-01-01T00:00:00Z", millis(20_000))]:
        row = family.row(created_ms=ms)
        more = routed(row, ("createdAt", text))
        headers = [list(pair) for pair in more["headers"]]
        found.append((ms, row.payload, row.event(headers=headers, aggregate_type=ROUTE), more))
        row = family.row(created_ms=ms)
        found.append((ms, cloud_event(row, row.payload, time=quoted(text)), row.event(), {}))
    for _, value, expect, more in sorted(found, key=lambda each: each[0]):
        family.add(value, expect, lane=lane, **more)


def no_times(family: Family) -> None:
    def refused(value: str, message: str, *schema: str) -> None:
        row = family.row()
        columns = row.columns(created_at=value)
        family.add(with_schema(columns, *schema) if schema else envelope(columns), dead(message, event_id=row.id))

    for text in NO_TIMES:
        refused(quoted(text), "created_at is no time with an offset")
    for value, kind in [("true", "a boolean"), ("1.5", "a number"), ("1e3", "a number"), ("{}", "an object"), ("[]", "an array"), ('"\\ud83d"', "a text")]:
        refused(value, f"created_at is {kind}, neither a text nor a whole number")
    for value in ["99999999999999999999", "-99999999999999999999", '"+294300-01-01T00:00:00Z"', '"-999999999-01-01T00:00:00Z"']:
        refused(value, "created_at is out of range")
    refused(str(2**63 - 2), "created_at is out of range", field("created_at", "int64", MS))
    refused("20000", "no point in time", field("created_at", "int32", "io.debezium.time.Date"))
    refused("5", "no point in time", field("created_at", "int64", "x" * 100_000))
    refused("5", "the schema that says what a column holds cannot be read", '{"field":7}')
    for value in ['"infinity"', '"-infinity"', *map(quoted, ISO.values()), *map(str, [*DRIVERS.values(), *LONGEST.values()])]:
        refused(value, "created_at is infinite")
    for semantic, numbers in [(MS, DRIVERS), ("org.apache.kafka.connect.data.Timestamp", DRIVERS), (US, LONGEST), (US, DRIVERS), (NS, LONGEST)]:
        for number in numbers.values():
            refused(str(number), "created_at is infinite", field("created_at", "int64", semantic))
    for column, semantic, numbers in [("at_ms", MS, DRIVERS), ("at_us", US, LONGEST), ("at_us", US, DRIVERS), ("at_ns", NS, LONGEST)]:
        for text, number in numbers.items():
            row = family.row()
            schema = field(column, "int64", semantic)
            family.add(with_schema(row.columns(**{column: str(number)}), schema), row.event(columns=obj({column: quoted(text)})))
    for text, iso in ISO.items():
        row = family.row()
        schema = field("at_us", "string", "io.debezium.time.IsoTimestamp")
        family.add(with_schema(row.columns(at_us=quoted(iso)), schema), row.event(columns=obj({"at_us": quoted(text)})))
        row = family.row()
        family.add(envelope(row.columns(at_us=quoted(iso))), row.event(columns=obj({"at_us": quoted(iso)})))
    for column, semantic, number, text in [
        ("day", "io.debezium.time.Date", 20_780, "2026-11-23"), ("day", "io.debezium.time.Date", -719_529, "-000001-12-31"),
        ("at_ms", MS, -1, "1969-12-31T23:59:59.999"), ("at_us", US, 0, "1970-01-01T00:00:00.000000"), ("at_ns", NS, 1, "1970-01-01T00:00:00.000000001"),
        ("at_us", US, 568_971_820_800_000_000, "+020000-01-01T00:00:00.000000"),
    ]:
        row = family.row()
        expect = row.event(columns=obj({column: quoted(text)}))
        family.add(with_schema(row.columns(**{column: str(number)}), field(column, "int64", semantic)), expect)
    for value in ['"text"', "1.5", "99999999999999999999", "null", "true"]:
        row = family.row()
        family.add(with_schema(row.columns(at_us=value), field("at_us", "int64", US)), row.event(columns=obj({"at_us": value})))


UNSENT = "__debezium_unavailable_value"
NOT_SENT = {
    "text": quoted(UNSENT),
    "bytea": quoted(base64.b64encode(UNSENT.encode()).decode()),
    "text array": f"[{quoted(UNSENT)}]",
    "integer array": f"[{','.join(str(byte) for byte in UNSENT.encode())}]",
    "uuid array": '["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]',
    "hstore": obj({UNSENT: quoted(UNSENT)}),
    "hstore as json": quoted(obj({UNSENT: quoted(UNSENT)})),
}
DATA = [quoted("a " + UNSENT), f'["a",{quoted(UNSENT)}]', obj({"a": quoted(UNSENT)}), obj({UNSENT: "1"}), "[95,95]", obj({UNSENT: quoted(UNSENT), "a": "1"})]


def not_sent(family: Family) -> None:
    """The placeholder that Debezium writes for a value that PostgreSQL did not send is never data."""
    for value in NOT_SENT.values():
        for column in ["payload", "attrs"]:
            row = family.row()
            family.add(envelope(row.columns(**{column: value})), dead(f"the row's {column} is Debezium's placeholder", event_id=row.id))
        row = family.row()
        family.add(value, dead("the row's payload is Debezium's placeholder", event_id=row.id), **routed(row))
        row = family.row()
        family.add(envelope(row.columns(payload=value), op='"u"'), ignored("update"))
        # The ledger knows the first of them when the second comes.
        row, lane = family.row(created_at="2026-11-23T07:09:10Z"), f"{family.tag}-unsent-{family.rows}"
        row = row.with_(created_at=None)
        family.add(envelope(row.columns()), row.event(), lane=lane)
        family.add(envelope(row.columns(payload=value)), DUPLICATE, lane=lane)
    for value in DATA:
        row = family.row()
        family.add(envelope(row.columns(attrs=value)), row.event(columns=obj({"attrs": value})))
        if not value.startswith('"'):
            row = family.row(payload=value)
            family.add(envelope(row.columns(payload=value)), row.event())
    for column in ["event_id", "aggregate_id", "event_type", "aggregate_type", "sequence_id", "created_at"]:
        row = family.row()
        known = None if column == "event_id" else row.id
        family.add(envelope(row.columns(**{column: quoted(UNSENT)})), dead(f"the row's {column} is Debezium's placeholder", event_id=known))
