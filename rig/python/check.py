"""Compares MongoDB with what the outbox's rows must lead to: check.py POSTGRES MONGODB SINCE_MS DATA OWN, where DATA is
the handlers' database and OWN is Weir's. Or compares it with what the records of a file, as written by generate.py,
must lead to: check.py FILE.jsonl MONGODB SINCE_MS DATA OWN.

Every document of users, statistics and activities is compared with the model's, field by field, including types but not
the order of fields. So are the parked deliveries of the events that the model knows. Times of processing must be dates
between SINCE_MS and now. Writes one JSON object: what was compared, how many differences there are, the first of them,
and one document to show.
"""

import functools
import json
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Iterator

import psycopg
import pymongo
from bson import json_util
from bson.codec_options import CodecOptions
from psycopg.types.json import set_json_loads

from model import EPOCH, PROCESSED, RULES, Event, Model

AWARE = CodecOptions(tz_aware=True, tzinfo=timezone.utc)
SHOWN = 20

ROWS = """
    SELECT event_id::text, aggregate_id::text, event_type, payload, floor(extract(epoch FROM created_at) * 1000)::bigint
    FROM activity.event_outbox ORDER BY sequence_id
"""


def modelled(uri: str) -> tuple[Model, Counter]:
    model, events = Model(), Counter()
    set_json_loads(functools.partial(json.loads, parse_float=Decimal))
    with psycopg.connect(uri) as connection, connection.cursor("rows") as rows:
        rows.itersize = 5000
        for row in rows.execute(ROWS):
            event = Event(*row)
            events[event.type] += 1
            model.apply(event)
    return model, events


def recorded(path: str) -> tuple[Model, Counter]:
    model, events = Model(), Counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(json.loads(line)["value"])["after"]
            payload = json.loads(row["payload"], parse_float=Decimal)
            since = datetime.fromisoformat(row["created_at"].replace("Z", "+00:00")) - EPOCH
            event = Event(
                row["event_id"], row["aggregate_id"], row["event_type"], payload, since // timedelta(milliseconds=1)
            )
            events[event.type] += 1
            model.apply(event)
    return model, events


class Comparison:
    def __init__(self, since: datetime):
        self.since = since
        self.until = datetime.now(timezone.utc) + timedelta(milliseconds=1)
        self.count = 0
        self.first: list[str] = []

    def differs(self, where: str, text: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(f"{where}: {text}")

    def documents(self, collection: str, found: Iterator[dict], expected: dict[str, dict]) -> int:
        left = dict(expected)
        compared = 0
        for document in found:
            compared += 1
            key = document["_id"]
            where = f"{collection} {key}"
            if key in left:
                self.value(where, document, left.pop(key))
            else:
                self.differs(where, "must not be there")
        for key in left:
            self.differs(f"{collection} {key}", "is missing")
        return compared

    def value(self, where: str, found: Any, expected: Any) -> None:
        if expected is PROCESSED:
            if not isinstance(found, datetime) or not self.since <= found <= self.until:
                self.differs(where, f"{found!r} is no date between {self.since} and {self.until}")
        elif type(found) is not type(expected):
            self.differs(where, f"{found!r} ({type(found).__name__}) and not {expected!r} ({type(expected).__name__})")
        elif isinstance(expected, dict):
            for key in expected.keys() | found.keys():
                if key not in found:
                    self.differs(f"{where}.{key}", f"is missing and not {expected[key]!r}")
                elif key not in expected:
                    self.differs(f"{where}.{key}", f"must not be there, and is {found[key]!r}")
                else:
                    self.value(f"{where}.{key}", found[key], expected[key])
        elif isinstance(expected, list):
            if len(found) != len(expected):
                self.differs(where, f"has {len(found)} elements and not {len(expected)}")
            for index, pair in enumerate(zip(found, expected)):
                self.value(f"{where}.{index}", *pair)
        elif found != expected:
            self.differs(where, f"{found!r} and not {expected!r}")

    def parked(self, found: set[tuple[str, str]], expected: set[tuple[str, str]]) -> None:
        for event, reason in sorted(found - expected):
            self.differs(f"event {event}", f"was parked for {reason}, and must not be")
        for event, reason in sorted(expected - found):
            self.differs(f"event {event}", f"was not parked for {reason}")


def reference(comparison: Comparison, client: pymongo.MongoClient, model: Model, data: str) -> dict[str, int]:
    """Compares the collections of the six handlers. Returns how many documents each holds."""
    database = client.get_database(data, codec_options=AWARE)
    return {
        name: comparison.documents(name, database[name].find(), expected)
        for name, expected in [
            ("users", model.users),
            ("statistics", model.statistics),
            ("activities", model.activities),
        ]
    }


def main(source: str, mongodb: str, since_ms: str, data: str, own: str) -> None:
    model, events = recorded(source) if source.endswith(".jsonl") else modelled(source)
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=20_000) as client:
        comparison = Comparison(EPOCH + timedelta(milliseconds=int(since_ms)))
        documents = reference(comparison, client, model, data)
        parked = client[own]["parked"].find({"event_type": {"$in": list(RULES)}})
        comparison.parked({(each["event_id"], each["reason"]) for each in parked}, model.parked)
        database = client.get_database(data, codec_options=AWARE)
        shown = database["activities"].find_one({"participants.current_count": 2}) or database["users"].find_one()
    json.dump(
        {
            "events": dict(events),
            "documents": documents,
            "parked": len(model.parked),
            "differences": comparison.count,
            "first": comparison.first,
            "shown": json.loads(json_util.dumps(shown, json_options=json_util.RELAXED_JSON_OPTIONS)),
        },
        sys.stdout,
        ensure_ascii=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
