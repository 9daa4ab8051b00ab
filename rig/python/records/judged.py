"""Compares what MongoDB holds after a run with what each record must have become."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion

# Dates beyond the year 9999 must be readable too.
OPTIONS = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
FIELDS = ["event_type", "aggregate_type", "aggregate_id", "payload", "sequence", "headers", "columns"]
Place = tuple[int, int]


class Judge:
    def __init__(self, settings: dict[str, Any], written: list[dict[str, Any]]) -> None:
        self.settings, self.written = settings, written
        self.wrong: list[str] = []
        self.checked: Counter[str] = Counter()

    def compare(self, client: pymongo.MongoClient) -> None:
        data, own = client[self.settings["data"]], client[self.settings["own"]]
        self.events = {found["_id"]: found for found in data.get_collection("verbatim", OPTIONS).find()}
        where = {"_id.group": self.settings["group"], "_id.topic": self.settings["topic"]}
        self.parked, self.deliveries, self.records = {}, {}, {}
        parked = own.get_collection("parked", OPTIONS).find({"record.group": where["_id.group"], "record.topic": where["_id.topic"]})
        for found in parked:
            if found["handler"] is None:
                self.parked[place(found["record"])] = found
            else:
                self.deliveries[place(found["record"]), found["handler"]["name"]] = found
        for found in own.get_collection("records", OPTIONS).find(where):
            self.records.setdefault(place(found["_id"]), []).append(found)
        for line in self.written:
            self.line(line)
        self.nothing_else()

    def line(self, line: dict[str, Any]) -> None:
        expect, at = line["expect"], (line["partition"], line["offset"])
        checks = {"event": self.event, "dead": self.dead, "unhandled": self.unhandled}
        check = checks.get(expect["is"], self.nothing)
        self.checked[line["family"]] += 1
        for flaw in check(line, expect, at):
            self.wrong.append(f"{line['family']}, partition {at[0]} offset {at[1]}: {flaw}")

    def event(self, line: dict, expect: dict, at: Place):
        found = self.events.pop(expect["id"], None)
        if found is None:
            yield f"the event {expect['id']!r} has no document{self.instead(at)}"
            return
        for name in FIELDS:
            if found[name] != expect[name]:
                yield f"{name} is {short(found[name])} and not {short(expect[name])}"
        created = line["timestamp"] if expect["created_ms"] is None else expect["created_ms"]
        if int(found["created_at"]) != created:
            yield f"created_at is {int(found['created_at'])} and not {created}"

    def dead(self, line: dict, expect: dict, at: Place):
        handler = expect["handler"]
        found = self.parked.pop(at, None) if handler is None else self.deliveries.pop((at, handler), None)
        if found is None:
            yield f"it is not parked, as {expect['reason']}: {expect['message']}"
            return
        if (found["state"], found["reason"]) != ("dead", expect["reason"]) or expect["message"] not in found["message"]:
            yield f"it is {found['state']}, {found['reason']}: {short(found['message'])}, and not {expect['reason']}: {expect['message']}"
        if len(found["message"]) > 2000:
            yield f"its message has {len(found['message'])} characters"
        for name in ["event_id", "aggregate_id", "event_type"]:
            if name in expect and found[name] != expect[name]:
                yield f"{name} is {short(found[name])} and not {short(expect[name])}"
        yield from self.kept(line, at)

    def kept(self, line: dict, at: Place):
        """Checks the record's bytes, in as many documents as they take. Yields what is wrong."""
        parts = sorted(self.records.pop(at, []), key=lambda found: found["_id"].get("part", 1))
        if not parts:
            yield "its bytes are not kept"
            return
        if parts[0].get("left_out_bytes") != line["expect"].get("left_out_bytes"):
            yield f"{parts[0].get('left_out_bytes')} bytes are left out and not {line['expect'].get('left_out_bytes')}"
        for name in ["key", "value"]:
            pieces = [part[name] for part in parts if name in part]
            found = None if pieces in ([None], []) else b"".join(pieces)
            if found != line[name]:
                yield f"the {name} that is kept is {short(found)} and not {short(line[name])}"
        # For every client of Kafka that is built on librdkafka, a name ends at its first NUL.
        expected = [(name.split(b"\0")[0], value) for name, value in line["headers"]]
        found = headers(parts)
        if found != expected:
            yield f"the headers that are kept are {short(found)} and not {short(expected)}"

    def unhandled(self, line: dict, expect: dict, at: Place):
        if expect["id"] in self.events:
            yield "an event that no handler takes has a document"
        yield from self.nothing(line, expect, at)

    def nothing(self, line: dict, expect: dict, at: Place):
        if at in self.parked:
            yield f"nothing was to come of it, and it is parked: {short(self.parked.pop(at)['message'])}"

    def instead(self, at: Place) -> str:
        found = self.parked.get(at) or next((found for key, found in self.deliveries.items() if key[0] == at), None)
        return f", but is parked as {found['reason']}: {short(found['message'])}" if found else ""

    def nothing_else(self) -> None:
        for what, found in [("documents", self.events), ("parked", {**self.parked, **self.deliveries}), ("records", self.records)]:
            if found:
                self.wrong.append(f"{len(found)} {what} are of no record: {short(list(found)[:3])}")


def place(record: dict[str, Any]) -> Place:
    return record["partition"], record["offset"]


def headers(parts: list[dict]) -> list[tuple[bytes, bytes | None]]:
    found: list[tuple[bytes, bytes | None]] = []
    for part in parts:
        for header in part.get("headers", []):
            name = header["name"].encode() if isinstance(header["name"], str) else bytes(header["name"])
            value = None if header["value"] is None else bytes(header["value"])
            found.append((name, value))
    return found


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"


def counted(written: list[dict], text: str) -> list[str]:
    """Compares what the host counted of each kind of record with what was written."""
    expected: Counter[str] = Counter()
    for line in written:
        expect = line["expect"]
        kind = {"ignored": expect.get("kind"), "aborted": None, "dead": "undecodable"}.get(expect["is"], "event")
        if expect["is"] == "dead" and expect["reason"] != "undecodable":
            kind = "event"
        expected[kind] += 1
    found: Counter[str] = Counter()
    for each in text.splitlines():
        if each.startswith("weir_records_total{"):
            found[each.split('kind="')[1].split('"')[0]] += int(float(each.rsplit(" ", 1)[1]))
    # A record that was not sent whole is counted as such, whatever becomes of it.
    known = {kind: count for kind, count in expected.items() if kind is not None}
    together = ("event", "undecodable", "unsent")
    differs = [kind for kind in {*known, *found} - {*together} if known.get(kind, 0) != found[kind]]
    if sum(known.get(kind, 0) for kind in together) != sum(found[kind] for kind in together):
        differs.append("/".join(together))
    return [f"the host counted {found[kind]} {kind} and not {known.get(kind, 0)}" for kind in differs]


def read(path: str) -> list[dict[str, Any]]:
    def raw(text: str | None) -> bytes | None:
        return None if text is None else base64.b64decode(text)

    lines = []
    with open(path, encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            line |= {"key": raw(line["key"]), "value": raw(line["value"])}
            line["headers"] = [(raw(name), raw(value)) for name, value in line["headers"]]
            lines.append(line)
    return lines
