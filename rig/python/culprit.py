"""One event in 500 whose write always fails: culprit.py prepare SETTINGS | run SETTINGS.

`prepare` gives a collection a unique index and a value that is taken. `run` fills whole batches, each with one event at
a random place that wants this value: while a delivery sleeps, 500 records queue up behind it. Writes what each round
cost and what was wrong.
"""

import json
import random
import re
import sys
import time
import urllib.request
import uuid

import pymongo
from confluent_kafka import Consumer, Producer, TopicPartition

from envelope import HEADERS, Outbox

BATCH = 500
COLLECTION = "unique_values"
TAKEN = "taken"
NAP = {"naps": 10, "nap_ms": 50}
PATIENCE_S = 60


def prepare(mongodb: str, data: str) -> None:
    with pymongo.MongoClient(mongodb) as client:
        collection = client[data][COLLECTION]
        collection.create_index("value", unique=True)
        collection.insert_one({"_id": "before", "value": TAKEN})


class Rounds:
    def __init__(
        self, kafka: str, mongodb: str, data: str, own: str, topic: str, partitions: int, admin: str, seed: int
    ):
        self.producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 5})
        consumer = Consumer({"bootstrap.servers": kafka, "group.id": "culprit", "enable.auto.commit": False})
        self.ends = [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(partitions)
        ]
        consumer.close()
        client = pymongo.MongoClient(mongodb)
        self.data, self.own = client[data], client[own]
        self.words = ["E11000 duplicate key error", f"{data}.{COLLECTION}", "value_1"]
        self.topic, self.admin, self.random = topic, admin, random.Random(seed)
        self.outbox = Outbox()

    def round(self) -> dict:
        place, partition = self.random.randrange(BATCH), self.random.randrange(len(self.ends))
        events = [self.event("UniqueValue", {"value": TAKEN if n == place else uuid.uuid4().hex}) for n in range(BATCH)]
        sleeper = self.event("Sleeps", NAP)
        before, commits = self.metrics(), self.commits()
        self.send(partition, [sleeper])
        self.until("the sleeper is read", lambda: self.metrics()["records"] > before["records"])
        self.send(partition, events)
        self.until("all is accounted for", lambda: self.next(partition) >= self.ends[partition])
        # Counts that are made after the commit may arrive a moment later.
        self.until("all is counted", lambda: self.metrics()["events"] >= before["events"] + BATCH + 1)
        after = self.metrics()
        cost = {name: after[name] - before[name] for name in after}
        found = {"place": place, **cost, "commits": self.commits() - commits}
        return {**found, "wrong": self.wrong(found, [record.event_id for record in events], place)}

    def wrong(self, found: dict, ids: list[str], place: int) -> list[str]:
        said = []
        if found["commits"] != 2 or found["batches"] != 2:
            said.append(f"the sleeper and the batch took {found['commits']} commits, {found['batches']} batches and not 2")
        there = {each["_id"] for each in self.data[COLLECTION].find({"_id": {"$in": ids}}, {"_id": 1})}
        if missing := len(set(ids) - there - {ids[place]}):
            said.append(f"{missing} of the others were not committed")
        if ids[place] in there:
            said.append("the culprit was committed")
        parked = list(self.own["parked"].find({"event_id": {"$in": ids}}))
        if [each["event_id"] for each in parked] != [ids[place]]:
            said.append(f"{len(parked)} are parked, and not the culprit alone")
        for each in parked:
            if missing := [word for word in self.words if word not in str(each.get("message"))]:
                said.append(f"its message lacks {missing}: {each.get('message')}")
            if f'"{TAKEN}"' in str(each.get("message")):
                said.append(f"its message shows the key's value: {each.get('message')}")
        return said

    def event(self, event_type: str, payload: dict):
        return self.outbox.insert(str(uuid.uuid4()), str(uuid.uuid4()), "Value", event_type, json.dumps(payload))

    def send(self, partition: int, records: list) -> None:
        for record in records:
            self.producer.produce(self.topic, record.value, record.key, partition, headers=HEADERS)
        if self.producer.flush(30):
            sys.exit("the records do not go to Kafka")
        self.ends[partition] += len(records)

    def commits(self) -> int:
        return sum(each["commits"] for each in self.own["progress"].find())

    def next(self, partition: int) -> int:
        found = self.own["progress"].find_one({"_id.topic": self.topic, "_id.partition": partition})
        return found["next"] if found else 0

    def metrics(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.admin}/metrics", timeout=10) as answer:
            text = answer.read().decode()

        def total(series: str) -> int:
            lines = re.findall(rf"^{series}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
            return int(sum(float(value) for value in lines))

        return {
            "records": total("weir_records_total"),
            "events": total("weir_events_total"),
            "batches": total("weir_batches_total"),
            "redone": total("weir_transactions_redone_total"),
        }

    def until(self, what: str, holds) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                sys.exit(f"not so after {PATIENCE_S} s: {what}")
            time.sleep(0.005)


def run(rounds: int, **settings) -> None:
    each = Rounds(**settings)
    json.dump([each.round() for _ in range(rounds)], sys.stdout)


if __name__ == "__main__":
    {"prepare": prepare, "run": run}[sys.argv[1]](**json.loads(sys.argv[2]))
