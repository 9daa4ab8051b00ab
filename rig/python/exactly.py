"""Compares MongoDB with what the records in Kafka must lead to: exactly.py KAFKA MONGODB TOPIC SINCE_MS DATA OWN, where
DATA is the handlers' database and OWN is Weir's.

Every event counts once, at its first offset. The documents of the six handlers are compared with the model, and those
of `tallies` and `counters` with the events counted here. Nothing may be parked. Writes one JSON object.
"""

import json
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Iterator

import pymongo
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from check import Comparison, reference
from model import EPOCH, Event, Model


def values(bootstrap: str, topic: str) -> Iterator[bytes]:
    """Yields every record's value. Those of a partition are in its order."""
    # The group's name is never used, because partitions are assigned by hand and nothing is committed.
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "exactly", "enable.auto.commit": False})
    partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    left = 0
    for partition in partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        left += end - first
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    while left > 0:
        # `consume` waits until it has as many as it is asked for, or for the whole time.
        for message in consumer.consume(min(2_000, left), timeout=10):
            if message.error():
                sys.exit(f"the topic cannot be read: {message.error()}")
            left -= 1
            yield message.value()
    consumer.close()


class Expected:
    """What all events lead to."""

    def __init__(self):
        self.model = Model()
        self.tallies: dict[str, list[int]] = {}
        self.counters: Counter = Counter()
        self.types: Counter = Counter()
        self.records = 0
        self.seen: set[str] = set()

    def record(self, value: bytes) -> None:
        self.records += 1
        row = json.loads(value)["after"]
        if row["event_id"] in self.seen:
            return
        self.seen.add(row["event_id"])
        kind, aggregate = row["event_type"], row["aggregate_id"]
        self.types[kind] += 1
        payload = json.loads(row["payload"], parse_float=Decimal)
        if kind == "Tallies":
            self.tallies.setdefault(aggregate, []).append(payload["number"])
        elif kind == "Counter":
            self.counters[payload["counter"]] += 1
        else:
            created = datetime.fromisoformat(row["created_at"]) - EPOCH
            self.model.apply(Event(row["event_id"], aggregate, kind, payload, created // timedelta(milliseconds=1)))


def tallies(comparison: Comparison, found: dict[str, dict], expected: dict[str, list[int]]) -> dict[str, int]:
    """Counts effects on aggregates: those lost, those done more than once, and those done before an earlier one."""
    totals = Counter(aggregates=len(expected), lost=0, doubled=0, out_of_order=0)
    for key in found.keys() | expected.keys():
        document = found.get(key, {"n": 0, "seen": []})
        numbers, seen = expected.get(key, []), document["seen"]
        wrong = {
            "lost": len(set(numbers) - set(seen)),
            "doubled": len(seen) - len(set(seen)) + len(set(seen) - set(numbers)),
            "out_of_order": sum(later < earlier for earlier, later in zip(seen, seen[1:])),
        }
        if any(wrong.values()) or document["n"] != len(numbers):
            comparison.differs(f"tallies {key}", f"{document['n']} counted of {len(numbers)}, {wrong}")
        totals.update(wrong)
    return totals


def counters(comparison: Comparison, found: dict[str, dict], expected: Counter) -> dict[str, int]:
    """Counts updates that another one has overwritten, and updates made more than once."""
    lost = doubled = 0
    for key in found.keys() | expected.keys():
        counted = found.get(key, {"n": 0})["n"]
        lost += max(0, expected[key] - counted)
        doubled += max(0, counted - expected[key])
        if counted != expected[key]:
            comparison.differs(f"counters {key}", f"is {counted} and not {expected[key]}")
    return {"documents": len(expected), "updates": expected.total(), "lost": lost, "doubled": doubled}


def main(kafka: str, mongodb: str, topic: str, since_ms: str, data: str, own: str) -> None:
    expected = Expected()
    for value in values(kafka, topic):
        expected.record(value)
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=30_000) as client:
        comparison = Comparison(EPOCH + timedelta(milliseconds=int(since_ms)))
        documents = reference(comparison, client, expected.model, data)
        by_id = {
            name: {document["_id"]: document for document in client[data][name].find()}
            for name in ("tallies", "counters")
        }
        parked = list(client[own]["parked"].find())
    for each in parked:
        comparison.differs(f"event {each.get('event_id')}", f"is parked: {each.get('reason')}: {each.get('message')}")
    found = {
        "records": expected.records,
        "repeated": expected.records - len(expected.seen),
        "events": dict(expected.types),
        "documents": documents,
        "tallies": tallies(comparison, by_id["tallies"], expected.tallies),
        "counters": counters(comparison, by_id["counters"], expected.counters),
        "parked": len(parked),
        "differences": comparison.count,
        "first": comparison.first,
    }
    json.dump(found, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
