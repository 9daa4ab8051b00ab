"""One step of the proof `ledger-floor`: ledger_floor.py begin SETTINGS | step SETTINGS.

`begin` makes the topic, and a ledger that was begun long before the events of the proof. `step` sends events, waits until
the groups have accounted for them and the ledger is swept as far as it can be, and writes what is there then: by group,
how often each event took effect, and which were refused.
"""

import json
import sys
import time
from collections import Counter
from datetime import datetime, timedelta, timezone

import pymongo
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from confluent_kafka import Consumer, Producer, TopicPartition

from envelope import HEADERS, Outbox

BUCKET_MS = 8 * 3_600_000
BEGUN = timedelta(days=30)
PATIENCE_S = 60
AWARE = CodecOptions(tz_aware=True, tzinfo=timezone.utc)


def begin(mongodb: str, own: str, age_hours: int) -> None:
    now_ms = time.time_ns() // 1_000_000
    reference_ms = (now_ms - age_hours * 3_600_000) // BUCKET_MS * BUCKET_MS
    first = (reference_ms - int(BEGUN.total_seconds() * 1000)) // BUCKET_MS
    with pymongo.MongoClient(mongodb) as client:
        ledger = {"_id": "ledger", "first_bucket": Int64(first), "floors": True}
        client[own]["groups"].insert_one(ledger)
    json.dump({"reference_ms": reference_ms}, sys.stdout)


class Step:
    def __init__(self, kafka: str, mongodb: str, own: str, topic: str, reference_ms: int):
        self.kafka, self.topic, self.reference_ms = kafka, topic, reference_ms
        self.client = pymongo.MongoClient(mongodb)
        self.own = self.client[own].with_options(AWARE)

    def send(self, events: list[dict]) -> None:
        producer, outbox = Producer({"bootstrap.servers": self.kafka, "enable.idempotence": True}), Outbox()
        for event in events:
            created = datetime.fromtimestamp(self.reference_ms / 1000, timezone.utc) + timedelta(hours=event["hours"])
            record = outbox.insert(event["id"], event["id"], "Tally", "Tallies", '{"number": 1}', created)
            producer.produce(self.topic, record.value, record.key, event["partition"], headers=HEADERS)
        if producer.flush(30):
            sys.exit("the records do not go to Kafka")

    def ends(self) -> dict[int, int]:
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": "ledger-floor", "enable.auto.commit": False})
        partitions = consumer.list_topics(self.topic, timeout=30).topics[self.topic].partitions
        ends = {each: consumer.get_watermark_offsets(TopicPartition(self.topic, each), timeout=30)[1] for each in partitions}
        consumer.close()
        return ends

    def settled(self, group: str, ends: dict[int, int]) -> bool:
        found = self.own["progress"].find({"_id.group": group, "_id.topic": self.topic})
        passed = {each["_id"]["partition"]: each["next"] for each in found}
        return all(passed.get(partition, 0) >= end for partition, end in ends.items())

    def floor(self, group: str) -> float | None:
        found = self.own["groups"].find_one({"_id.group": group, "_id.topic": self.topic}) or {}
        if "floor" not in found:
            return None
        return (found["floor"].timestamp() * 1000 - self.reference_ms) / 3_600_000

    def found(self, group: str, database: str) -> dict:
        refused, others = Counter(), []
        for letter in self.own["parked"].find({"_id.group": group}):
            if letter["reason"] == "beyond-ledger":
                refused[letter["event_id"]] += 1
            else:
                others.append(f"{letter['event_id']}: {letter['reason']}: {letter.get('message')}")
        effects = {each["_id"]: each["n"] for each in self.client[database]["tallies"].find()}
        return {"effects": effects, "refused": refused, "others": others, "floor": self.floor(group)}


def until(what: str, holds) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"not so after {PATIENCE_S} s: {what}")
        time.sleep(0.02)


def step(events: list[dict], groups: dict[str, str], floors: dict[str, float], **settings) -> None:
    this = Step(**settings)
    this.send(events)
    ends = this.ends()
    for group in groups:
        until(f"{group} has accounted for everything", lambda: this.settled(group, ends))
    for group, floor in floors.items():
        until(f"the floor of {group} is at {floor} h, and not {this.floor(group)}", lambda: this.floor(group) == floor)
    json.dump({group: this.found(group, database) for group, database in groups.items()}, sys.stdout)


if __name__ == "__main__":
    {"begin": begin, "step": step}[sys.argv[1]](**json.loads(sys.argv[2]))
