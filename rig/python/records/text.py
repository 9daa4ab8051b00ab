"""Families of bytes that are not JSON, or that are unusual JSON."""

from __future__ import annotations

from described import ROUTE, Family, dead, obj, quoted
from forms import cloud_event, envelope, field, flattened, routed, schema_of_envelope, wrapped

NOT_JSON = [
    b"", b" ", b"hello", b"{", b"}", b"[", b"]", b'"', b":", b",", b"{'a':1}", b"{a:1}", b"nul", b"nulls", b"tr", b"True",
    b"NaN", b"Infinity", b"-Infinity", b"-", b"01", b"1.", b".5", b"+1", b"0x10", b"1e", b"1_000", b"{}{}", b"{},", b"{} x",
    b"[1,]", b'{"a":1,}', b'{"a" 1}', b'{"a":}', b'{,}', b'{"a":1 "b":2}', b"[1 2]", b"\x00\x00\x00\x00\x05avro", b"<xml/>",
    b"---\na: 1", b"/* */ {}", b"// {}\n{}", b"{} // end", b'"\x01"', b'"\t"', b'"\\x41"', b'"\\u12"', b'"\\u12g4"', b'"\\',
    b"\xef\xbb\xbf{}", "\ufeff7".encode(), "{}".encode("utf-16-le"), b"\x00", b"{}\x00", b"\x1b[2J", b"undefined",
]


def not_json(family: Family) -> None:
    for value in NOT_JSON:
        family.add(value, dead("the value is not JSON"))


def no_form(family: Family) -> None:
    for value, kind in [
        ("{}", "an object"), ("[]", "an array"), ("7", "a number"), ("-0", "a number"), ("1e400", "a number"),
        ("true", "a boolean"), ("false", "a boolean"), ('"text"', "a text"), ('""', "a text"), (" [1] ", "an array"),
        ('["c",{"event_id":"e"}]', "an array"), ('{"a":1}', "an object"), ('{"op":"d"}', "an object"),
        ('{"op":"c","ts_ms":1}', "an object"), ('{"ts_ms":1}', "an object"), ('{"id":"e","payload":{}}', "an object"),
        ('{"op":"d","source":"web"}', "an object"), ('{"op":"d","source":{"a":1}}', "an object"),
        ('{"op":"d","message":"m"}', "an object"), ('{"specversion":"1.0","id":"1","data":{}}', "an object"),
        ('{"status":"OPEN","id":"5:1","event_count":1,"data_collections":null}', "an object"),
        ('{"status":"END","id":"5:1","event_count":1,"ts_ms":1}', "an object"),
    ]:
        family.add(value, dead(f"the value is {kind} of no form that is known"))


def truncated(family: Family) -> None:
    row = family.row(payload='{"name": "Ünïcödé ✓ 😀"}')
    whole = wrapped(schema_of_envelope(field("event_id")), envelope(row.columns())).encode()
    marks = [at for at, byte in enumerate(whole) if byte in b'{}[]",:\\' or byte >= 0x80]
    # At most one cut per mark, spread over the whole text, which itself is not among them.
    for at in sorted(set(marks[:: max(1, len(marks) // 40)] + [1, len(whole) - 1])):
        cut = whole[:at]
        try:
            cut.decode()
            family.add(cut, dead("the value is not JSON"))
        except UnicodeDecodeError as error:
            family.add(cut, dead(f"the value is not UTF-8 at byte {error.start}"))


NOT_UTF8 = [
    b"\xff", b"\xfe\xff", b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\x81", b"\xe0\x80\xaf", b"\xe2\x82", b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xc3\x28",
]


def not_utf8(family: Family) -> None:
    for bad in NOT_UTF8:
        for place in ["payload", "name", "after the end"]:
            row = family.row(payload='{"here": "@@"}')
            text = envelope(row.columns())
            if place == "name":
                text = text.replace('"status"', '"st@@us"').replace("here", "there").replace('\\"@@\\"', '\\"\\"')
            elif place == "after the end":
                text = text.replace("@@", "") + "@@"
            value = text.encode().replace(b"@@", bad)
            try:
                value.decode()
            except UnicodeDecodeError as error:
                family.add(value, dead(f"the value is not UTF-8 at byte {error.start}"))


def lists(levels: int) -> str:
    return "[" * levels + "]" * levels


def objects(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def nesting(family: Family) -> None:
    too_deep = dead("the row's payload nests deeper than 127 levels")
    for deep in [lists, objects, lambda levels: '{"a":[' * (levels // 2) + lists(levels % 2 or 0) + "]}" * (levels // 2)]:
        for levels in [2, 64, 65, 126, 127, 128, 129, 1000]:
            row = family.row(payload=deep(levels) if levels > 1 else "1")
            family.add(envelope(row.columns()), row.event() if levels <= 127 else too_deep | {"event_id": row.id})
    for levels in [127, 128, 100_000]:
        row = family.row(payload=lists(levels))
        expect = row.event() if levels <= 127 else too_deep | {"event_id": row.id}
        family.add(envelope(row.columns(payload=row.payload)), expect)
        row = family.row(payload=lists(levels))
        headers = routed(row)
        expect = row.event(headers=[list(pair) for pair in headers["headers"]], aggregate_type=ROUTE)
        family.add(row.payload, expect if levels <= 127 else too_deep | {"event_id": row.id}, **headers)
    for levels in [126, 127, 50_000]:
        row = family.row()
        columns = row.columns(attrs=lists(levels))
        message = "the row's other columns nest deeper than 127 levels"
        expect = row.event(columns=obj({"attrs": lists(levels)})) if levels <= 126 else dead(message, event_id=row.id)
        family.add(envelope(columns), expect)
    bomb = lists(100_000)
    row = family.row()
    family.add(envelope(row.columns(status=bomb)), row.event())
    row = family.row()
    family.add(envelope(row.columns(), before=bomb, transaction=bomb), row.event())
    family.add(bomb, dead("the value is an array of no form that is known"))
    family.add(objects(100_000), dead("the value is an object of no form that is known"))
    row = family.row()
    family.add(envelope(row.columns()), row.event(), key=bomb)
    row = family.row()
    family.add(flattened(row, ("deep", bomb), ("__op", '"c"')), row.event())
    row = family.row()
    family.add(cloud_event(row, row.payload, extension=bomb), row.event())
    # A schema is read only if a number that is a time cannot be understood without it.
    deep_schema = '{"type":"struct","fields":[' * 1000 + "]}" * 1000
    row = family.row(created_at=None)
    family.add(wrapped(deep_schema, envelope(row.columns())), row.event())
    row = family.row()
    expect = dead("the schema that says what a column holds cannot be read", event_id=row.id)
    family.add(wrapped(deep_schema, envelope(row.columns(created_at="5"))), expect)


def characters(family: Family) -> None:
    """Texts that are JSON and must come out as they went in."""
    for payload in [
        '{"a":"\\u0000"}', '{"\\u0000":1}', '{"a":"\\ud83d\\ude00"}', '{"a":"\\ufeff"}', '{"a":"\ufeff"}', '{"a":"\u2028\u2029"}',
        '{"a":"\u202e\u200b\u0085"}', '{"a":"\x7f"}', '{"a":"\\/\\b\\f\\n\\r\\t"}', '{"a":"e\u0301"}', '{"a":"\u00e9"}',
        '{"":""}', '{" ":" "}', '{"a.b":{"$c":1}}', '{"__proto__":1}', ' {"a" : 1 } ', '\n[\t1\r]\n', '{"a":"\U0010ffff"}',
        # Half of a surrogate pair is JSON, but not text.
        '{"a":"\\ud83d"}', '{"a":"\\ude00\\ud83d"}', '{"a":"<script>\'\\"&"}', '{"a":"%s%n{}${jndi:x}"}',
    ]:
        row = family.row(payload=payload)
        family.add(envelope(row.columns()), row.event())
    for text in ["\\ud83d", "\\udc00", "\\ud83dx", "\\ud83d\\ud83d"]:
        row = family.row()
        broken = envelope(row.columns(payload=f'"{text}"'))
        family.add(broken, dead("the row's payload holds half of a surrogate pair", event_id=row.id))
        family.add(envelope(row.columns(event_id=f'"{text}"')), dead("event_id holds half of a surrogate pair", event_id=None))
    row = family.row()
    escaped = "".join(f"\\u{ord(character):04x}" for character in row.payload)
    family.add(envelope(row.columns(payload=f'"{escaped}"')), row.event())
    row = family.row()
    spelled = envelope(row.columns()).replace('"op"', '"\\u006fp"').replace('"event_id"', '"event\\u005fid"')
    family.add(spelled, row.event())
    row = family.row(payload="null")
    family.add(envelope(row.columns(payload="null")), row.event())
    for payload in ['"text"', "7", "true", "[]"]:
        row = family.row(payload=payload)
        family.add(envelope(row.columns(payload=quoted(payload))), row.event())
