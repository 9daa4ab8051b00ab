"""Events for `prove stalls`, a stall of MongoDB, and the results: stalls.py VERB SETTINGS.

`topic` makes a topic with a leader for each partition. `send` sends one event after the other to each partition until
its stdin ends, waits until Kafka has all of them, and prints how many there were. `lock` keeps MongoDB from writing,
but not from reading, until `unlock`. `compare` waits until everything is accounted for, and prints what is missing and
what was parked.
"""

import json
import sys
import threading
import time

import pymongo
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from envelope import HEADERS, Outbox

PATIENCE_S = 180


def topic(kafka: str, topic: str, leaders: list[int], **_) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    end = time.monotonic() + PATIENCE_S
    while not set(leaders) <= set(admin.list_topics(timeout=30).brokers):
        if time.monotonic() > end:
            sys.exit(f"the brokers {leaders} are not all there after {PATIENCE_S} s")
        time.sleep(0.1)
    made = admin.create_topics([NewTopic(topic, len(leaders), replica_assignment=[[leader] for leader in leaders])])
    made[topic].result(PATIENCE_S)


def send(kafka: str, topic: str, leaders: list[int], rate: int, **_) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    # A partition whose leader is away for minutes gets its events afterwards.
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 5, "delivery.timeout.ms": 900_000})
    outbox, lost = Outbox(), []
    sent = 0
    while not ended.wait(1 / rate):
        partition = sent % len(leaders)
        record = outbox.insert(f"{topic}-{sent}", f"a{partition}", "Test", "Echo", json.dumps({"number": sent}))
        delivered = lambda error, _: lost.append(str(error)) if error else None  # noqa: E731
        producer.produce(topic, record.value, record.key, partition, delivered, headers=HEADERS)
        producer.poll(0)
        sent += 1
    if left := producer.flush(PATIENCE_S):
        sys.exit(f"kafka has not taken {left} events")
    if lost:
        sys.exit(f"kafka has refused {len(lost)} events, the first with {lost[0]}")
    print(json.dumps({"sent": sent}))


def lock(mongodb: str, **_) -> None:
    with pymongo.MongoClient(mongodb) as client:
        client.admin.command("fsync", lock=True)


def unlock(mongodb: str, **_) -> None:
    with pymongo.MongoClient(mongodb) as client:
        client.admin.command("fsyncUnlock")


def compare(mongodb: str, data: str, own: str, topic: str, group: str, sent: int, **_) -> None:
    end = time.monotonic() + PATIENCE_S
    with pymongo.MongoClient(mongodb) as client:
        progress = client[own]["progress"]
        while sum(found["next"] for found in progress.find({"_id.group": group, "_id.topic": topic})) < sent:
            if time.monotonic() > end:
                sys.exit(f"not all of {sent} events are accounted for: {list(progress.find({'_id.topic': topic}))}")
            time.sleep(0.1)
        expected = {f"{topic}-{number}" for number in range(sent)}
        there = {found["_id"] for found in client[data]["echo"].find({"_id": {"$regex": f"^{topic}-"}}, {"_id": 1})}
        parked = [found["reason"] for found in client[own]["parked"].find({"event_id": {"$regex": f"^{topic}-"}})]
    print(json.dumps({"missing": len(expected - there), "unknown": len(there - expected), "parked": parked}))


VERBS = {verb.__name__: verb for verb in [topic, send, lock, unlock, compare]}
VERBS[sys.argv[1]](**json.loads(sys.argv[2]))
