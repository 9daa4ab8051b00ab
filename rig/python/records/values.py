"""Families of values that a column or a payload may hold: numbers, kinds, names, ids."""

from __future__ import annotations

import base64

from described import ROUTE, Family, dead, obj, quoted
from forms import cloud_event, envelope, field, flattened, routed, with_schema

DECIMAL = "org.apache.kafka.connect.data.Decimal"
VARIABLE = "io.debezium.data.VariableScaleDecimal"


def decimal_bytes(unscaled: int, length: int | None = None) -> str:
    """Returns the bytes of Java's BigInteger.toByteArray as base64 in a JSON string."""
    length = length or (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return quoted(base64.b64encode(unscaled.to_bytes(length, "big", signed=True)).decode())


def digits(unscaled: int, scale: int) -> str:
    """Returns a decimal as text: all its digits, the last `scale` of them after a point."""
    text = as_text(abs(unscaled))
    if scale > 0:
        text = text.rjust(scale + 1, "0")
        text = f"{text[:-scale]}.{text[-scale:]}"
    elif unscaled:
        text += "0" * -scale
    return ("-" if unscaled < 0 else "") + text


def as_text(number: int) -> str:
    """Writes a number in parts, because Python refuses to write very long numbers in one go."""
    parts, ten = [], 10**4000
    while number >= ten:
        number, part = divmod(number, ten)
        parts.append(str(part).rjust(4000, "0"))
    return "".join([str(number), *reversed(parts)])


def scaled(name: str, scale: int) -> str:
    return field(name, "bytes", DECIMAL, parameters=obj({"scale": quoted(str(scale))}))


def numbers(family: Family) -> None:
    for payload in [
        "-0", "0.10", "1e400", "-1E-400", "1E+2", "12345678901234567890.00", "0.1234567890123456789012345678901234567890",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1" * 10_000,
        "9007199254740993", "0.10000000000000001", "1.0", "0e0", "[1,1.0,1.00,1e0,-0.0]", '{"n":4.9E-324,"m":1.7976931348623157E308}',
    ]:
        row = family.row(payload=payload)
        family.add(envelope(row.columns()), row.event())
        row = family.row(payload=payload)
        family.add(envelope(row.columns(payload=payload)), row.event())
    whole = family.number()
    for number in [f"{whole}", f"-{whole}", f"{whole}1234567890123"]:
        row = family.row(id=number)
        family.add(envelope(row.columns(event_id=number)), row.event())
    for number, message in [("1.5", "a number"), ("1e3", "a number"), ("1.0", "a number"), ("1E400", "a number")]:
        row = family.row()
        message = f"the row's event_id is {message}, not a text"
        family.add(envelope(row.columns(event_id=number)), dead(message, event_id=None, aggregate_id=row.aggregate_id))
    for sequence, given in [("7", "7"), ("-5", "-5"), ('"007"', "007"), ("1" * 1024, "1" * 1024), ("12345678901234567890", "12345678901234567890")]:
        row = family.row()
        family.add(envelope(row.columns(sequence_id=sequence)), row.event(sequence=given))
    for sequence in ["1.0", "1e3", "{}", "[1]", "true", '""', '"-"', '"x"', '"1.5"', '" 7"', '"٧"']:
        row = family.row()
        family.add(envelope(row.columns(sequence_id=sequence)), dead("not a whole number", event_id=row.id))
    row = family.row()
    family.add(envelope(row.columns(sequence_id="1" * 1025)), dead("the row's sequence_id has 1025 bytes", event_id=row.id))


def decimals(family: Family) -> None:
    def column(value: str, schema: str, given: str | None, message: str = "the row's amount is no decimal") -> None:
        row = family.row()
        expect = dead(message, event_id=row.id) if given is None else row.event(columns=obj({"amount": quoted(given)}))
        family.add(with_schema(row.columns(amount=value), schema), expect)

    for unscaled, scale in [
        (1234, 2), (-106, 2), (0, 2), (-1, 3), (-128, 0), (-256, 0), (5, -3), (0, -3), (10**9, 0), (-(10**9), 9), (10**9 - 1, 4),
        (12345678901234567890, 10), (-(2**63), 0), (2**64, 20), (10**38 - 1, 38), (-(10**100), 50), (1, 20_000), (2**31, 1), (-(2**32), 1),
        (2**32 - 1, 0), (-(2**40) + 1, 7), (7 * 10**5000 + 3, 16_383),
    ]:
        column(decimal_bytes(unscaled), scaled("amount", scale), digits(unscaled, scale))
    # A number may have more bytes than it needs.
    column(decimal_bytes(1234, 9), scaled("amount", 2), "12.34")
    column(decimal_bytes(-1234, 9), scaled("amount", 2), "-12.34")
    column(decimal_bytes(2**131_000, 16_384), scaled("amount", 0), digits(2**131_000, 0))
    variable = field("amount", "struct", VARIABLE, fields="[]")
    column(obj({"scale": "1", "value": decimal_bytes(1)}), variable, "0.1")
    column(obj({"scale": "1", "value": decimal_bytes(1), "more": "[]"}), variable, "0.1")
    fixed = scaled("amount", 2)
    for number, given in [("12.30", "12.30"), ("1E-8", "0.00000001"), ("0E-10", "0.0000000000"), ("-1.5e+3", "-1500"), ("12.345E1", "123.45"), ("1e20000", "1" + "0" * 20_000)]:
        column(number, fixed, given)
    for value, schema in [
        ('""', fixed), ('"?"', fixed), ('"AQ"', fixed), ('"A Q=="', fixed), ("true", fixed), ("[]", fixed), ("{}", fixed), ('"AQ=="', scaled("amount", 20_001)),
        ('"AQ=="', scaled("amount", -20_001)), ("1E-20001", fixed), ("1e99999999999999999999", fixed), (obj({"scale": "1"}), variable),
        (obj({"scale": '"1"', "value": '"AQ=="'}), variable), (obj([("scale", "1"), ("scale", "2"), ("value", '"AQ=="')]), variable),
        (obj({"scale": "2147483648", "value": '"AQ=="'}), variable), (decimal_bytes(1, 16_385), fixed),
    ]:
        column(value, schema, None)
    array = field("numbers", "array", items=obj({"type": '"bytes"', "name": quoted(DECIMAL), "parameters": obj({"scale": '"2"'})}))
    row = family.row()
    values = f"[{decimal_bytes(110)},null, {decimal_bytes(-200)}]"
    family.add(with_schema(row.columns(numbers=values), array), row.event(columns='{"numbers":["1.10",null,"-2.00"]}'))
    long = decimal_bytes(2**131_000, 16_384)
    row = family.row()
    family.add(
        with_schema(row.columns(numbers=f"[{','.join([long] * 5)}]"), array),
        dead("the row's decimals have too many digits together", event_id=row.id),
    )
    row = family.row()
    many = ",".join(["1e-19999"] * 1000)
    family.add(
        with_schema(row.columns(numbers=f"[{many}]"), array),
        dead("the row's other columns have more than 16777216 bytes", event_id=row.id),
    )
    nested = obj({"type": '"bytes"', "name": quoted(DECIMAL), "parameters": obj({"scale": '"2"'})})
    for levels in [8, 9]:
        schema = nested
        for _ in range(levels - 1):
            schema = obj({"type": '"array"', "items": schema})
        row = family.row()
        value = "[" * levels + decimal_bytes(110) + "]" * levels
        expect = row.event(columns=f'{{"numbers":{"[" * levels}"1.10"{"]" * levels}}}')
        if levels > 8:
            expect = dead("arrays within each other on more than 8 levels", event_id=row.id)
        family.add(with_schema(row.columns(numbers=value), field("numbers", "array", items=schema)), expect)
    number = family.number()
    row = family.row(id=digits(number, 0), sequence="1234")
    columns = row.columns(event_id=decimal_bytes(number), sequence_id=decimal_bytes(1234))
    family.add(with_schema(columns, scaled("event_id", 0), scaled("sequence_id", 0)), row.event())
    row = family.row()
    columns = row.columns(event_id=decimal_bytes(10**1500))
    family.add(with_schema(columns, scaled("event_id", 0)), dead("the row's event_id has 1501 bytes"))


def twice(family: Family) -> None:
    def pairs(row, *more: tuple[str, str]) -> str:
        return obj([*row.columns().items(), *more])

    for column in ["event_id", "aggregate_id", "aggregate_type", "event_type", "payload", "sequence_id", "created_at"]:
        row = family.row()
        family.add(envelope(pairs(row, (column, '"7"'))), dead("twice there"))
        row = family.row()
        family.add(pairs(row, ("__op", '"c"'), (column, '"7"')), dead(f"the row has the column {column} twice"))
    for member, value in [("op", '"d"'), ("op", '"c"'), ("after", "null"), ("after", "{}"), ("source", "{}")]:
        row = family.row()
        family.add(envelope(row.columns())[:-1] + f',"{member}":{value}}}', dead("twice there"))
    row = family.row()
    family.add(pairs(row, ("event\\u005fid", '"7"')).replace("\\\\u005f", "\\u005f"), dead("the row has the column event_id twice"))
    for member in ["before", "ts_ms", "transaction"]:
        row = family.row()
        family.add(envelope(row.columns())[:-1] + f',"{member}":null}}', row.event())
    row = family.row()
    family.add(envelope(pairs(row, ("status", "1"), ("other", "2"), ("other", "3"))), row.event())
    row = family.row()
    family.add(envelope(pairs(row, ("extra", "1"), ("extra", "1"))), dead("the row has the column extra twice", event_id=row.id))
    row = family.row()
    family.add(pairs(row, ("__op", '"c"'), ("__op", '"d"')), dead("the row has the column __op twice"))
    row = family.row()
    family.add(pairs(row, ("__deleted", '"false"'), ("__deleted", '"true"')), dead("the row has the column __deleted twice"))
    for member in ["id", "type", "data", "subject", "extension"]:
        row = family.row()
        family.add(cloud_event(row, "{}", extension="1")[:-1] + f',"{member}":"x"}}', dead(f"the attribute {member} twice"))
    row = family.row(payload='{"a":1,"a":2,"a":3}')
    family.add(envelope(row.columns()), row.event())
    row = family.row(payload='{"payload":1,"payload":2}')
    family.add(row.payload, row.event(headers=[["id", row.id], ["eventType", "Verbatim"]], aggregate_type=ROUTE), **routed(row))
    row = family.row()
    family.add('{"payload":1,"payload":2,"createdAt":null}', dead("the row has the column payload twice", event_id=row.id), **routed(row))


RAW, NUMBER = "$serde_json::private::RawValue", "$serde_json::private::Number"


def private_keys(family: Family) -> None:
    """Names that a JSON library uses internally are data like any other."""
    for name, value in [(RAW, '"[1,2]"'), (RAW, '"{\\"$date\\":0}"'), (RAW, "7"), (NUMBER, '"12"'), (NUMBER, '"1e5"'), (NUMBER, "{}")]:
        own = obj({name: value})
        for payload in [own, f'{{"v":{own}}}', f"[{own}]"]:
            row = family.row(payload=payload)
            family.add(envelope(row.columns()), row.event())
            row = family.row(payload=payload)
            family.add(envelope(row.columns(payload=payload)), row.event())
        row = family.row()
        family.add(envelope(row.columns(extra=own)), row.event(columns=obj({"extra": own})))
        row = family.row(payload=own)
        expect = row.event(headers=[["id", row.id], ["eventType", "Verbatim"]], aggregate_type=ROUTE)
        family.add(own, expect, **routed(row))
        family.add(own, dead("the value is an object of no form that is known"))
        # The SDK's own handlers refuse them by name, because a value of any kind that is read would become a different
        # one.
        row = family.row(payload=own, event_type="Echo")
        family.add(envelope(row.columns()), dead(name, "reject", handler="echo", event_id=row.id))
    for column in ["event_id", "aggregate_id", "sequence_id", "created_at"]:
        row = family.row()
        family.add(envelope(row.columns(**{column: obj({NUMBER: '"12"'})})), dead(f"the row's {column} is an object"))
    family.add(envelope(obj({RAW: quoted(obj(family.row().columns()))})), dead("the row has no column event_id"))
    row = family.row()
    family.add(envelope(row.columns(), **{RAW: '"{}"', NUMBER: '"1"'}), row.event())


KINDS = {"true": "a boolean", "{}": "an object", "[]": "an array", "null": "null", "1.5": "a number", '["x"]': "an array"}


def kinds(family: Family) -> None:
    for column in ["event_id", "aggregate_id", "event_type", "aggregate_type"]:
        for value, kind in KINDS.items():
            row = family.row()
            known = None if column == "event_id" else row.id
            family.add(envelope(row.columns(**{column: value})), dead(f"the row's {column} is {kind}, not a text", event_id=known))
        row = family.row()
        if column == "aggregate_type":
            family.add(envelope(row.columns(aggregate_type='""')), row.event(aggregate_type=""))
        else:
            family.add(envelope(row.columns(**{column: '""'})), dead(f"the row's {column} is an empty text"))
    for payload in ["", "{", "NaN", "01", "{} {}", "secret", "[1,]", "'a'", '{"a":1}x', "\ufeff{}"]:
        row = family.row()
        expect = dead("the text in the row's payload is not JSON", event_id=row.id)
        family.add(envelope(row.columns(payload=quoted(payload))), expect)
    for after, kind in [("7", "a number"), ("1.5", "a number"), ("-0", "a number"), ("1" * 40, "a number"), ("true", "a boolean"), ('"row"', "a text"), ("[1]", "an array")]:
        family.add(envelope(after), dead(f"the envelope's after is {kind}, not a row"))
        # A record that is taken for a delete is skipped, so it must really be one.
        family.add(obj({"op": '"d"', "after": after}), dead(f"the envelope's after is {kind}, not a row"))
    family.add(envelope("null"), dead("the envelope's op is c and it has no row in after"))
    for op, kind in [("7", "a number"), ("null", "null"), ("true", "a boolean"), ('["c"]', "an array"), ("{}", "an object"), ("1.5", "a number")]:
        row = family.row()
        family.add(envelope(row.columns(), op=op), dead(f"the envelope's op is {kind}, not a text", event_id=row.id))
    row = family.row()
    family.add(flattened(row, ("__op", "7")), dead("op is a number, not a text", event_id=row.id))
    for value, kind in [('"maybe"', "a text"), ("1", "a number"), ("{}", "an object"), ('"TRUE"', "a text")]:
        row = family.row()
        family.add(flattened(row, ("__deleted", value)), dead(f"the row's __deleted is {kind}, neither true nor false", event_id=row.id))


def missing(family: Family) -> None:
    for column in ["event_id", "aggregate_id", "event_type", "aggregate_type", "payload"]:
        row = family.row()
        expect = dead(f"the row has no column {column}", event_id=None if column == "event_id" else row.id)
        family.add(envelope(row.columns(**{column: None})), expect)
        row = family.row()
        expect = dead(f"the row has no column {column}", event_id=None if column == "event_id" else row.id)
        family.add(flattened(row, ("__op", '"c"'), **{column: None}), expect)
    for column in ["sequence_id", "status", "created_at"]:
        row = family.row()
        family.add(envelope(row.columns(**{column: None})), row.event())
    family.add(envelope("{}"), dead("the row has no column event_id"))
    row = family.row()
    family.add(envelope(row.columns(event_id=None, EVENT_ID=quoted(row.id))), dead("the row has no column event_id"))
    row = family.row()
    family.add(envelope(row.columns(), source=None, before=None, transaction=None, ts_ms=None), row.event())


def operations(family: Family) -> None:
    for op in ["x", "C", "cc", "", " c", "c ", "create", "с", "c\u0000", "x" * 100_000]:
        row = family.row()
        expect = dead("is not known", event_id=row.id)
        family.add(envelope(row.columns(), op=quoted(op)), expect)
        row = family.row()
        family.add(flattened(row, ("__op", quoted(op))), dead("is not known", event_id=row.id))


# Other types that the handler subscribes to. A type may be longer, but then nobody can subscribe to it.
TYPES = ["with space", "Ünï-✓", "x" * 200]


def names(family: Family) -> None:
    def long(length: int, letter: str = "i") -> str:
        start = family.row().id + "-"
        return start + letter * ((length - len(start.encode())) // len(letter.encode()))

    for length in [64, 1023, 1024]:
        for letter in ["i", "é", "✓", "😀"]:
            row = family.row(id=long(length, letter))
            family.add(envelope(row.columns()), row.event())
    for length in [1025, 2000, 100_000]:
        text = long(length)
        for column in ["event_id", "aggregate_id", "aggregate_type", "event_type"]:
            row = family.row()
            message = f"the row's {column} has {len(text)} bytes, and at most 1024 are allowed"
            family.add(envelope(row.columns(**{column: quoted(text)})), dead(message, event_id=None if column == "event_id" else row.id))
    for text in ["\u0000", "a\u0000b", "\n", " ", "null", "\u202e", "\x1b[31m", "e\u0301", "\u00e9", "A", "a", "$id", "a.b", "{}", "'\"", "\U0010ffff"]:
        row = family.row()
        row = row.with_(id=row.id + text, aggregate_id=text, aggregate_type=text)
        family.add(envelope(row.columns()), row.event())
    for text in TYPES:
        row = family.row(event_type=text)
        family.add(envelope(row.columns()), row.event())
    for text in ["nobody", "Verbatim ", "verbatim", "\u0000", "x" * 201, "x" * 1024]:
        row = family.row(event_type=text)
        family.add(envelope(row.columns()), {"is": "unhandled", "id": row.id})
