"""Waits until Weir has accounted for the outbox's changes: settled.py KAFKA MONGODB GROUP TOPIC CHANGES SECONDS.

First until the topic holds that many distinct changes (a connector may say one again after a crash), then until the
group's progress in MongoDB is at the end of every partition. Fails where that takes too long. Writes the number of
records and of distinct changes.
"""

import json
import sys
import time

import pymongo
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition


def main(bootstrap: str, mongodb: str, group: str, topic: str, changes: str, seconds: str) -> None:
    end = time.monotonic() + float(seconds)
    # The group's name is never used: partitions are assigned by hand and nothing is committed.
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "settled", "enable.auto.commit": False})
    partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    seen, records = set(), 0
    while len(seen) < int(changes):
        if time.monotonic() > end:
            sys.exit(f"{len(seen)} of {changes} changes came to Kafka in {seconds} s")
        for message in consumer.consume(1000, timeout=0.2):
            if message.error():
                continue
            records += 1
            change = json.loads(message.value() or b"{}")
            row = change.get("after") or change.get("before") or {}
            seen.add((row.get("event_id"), change.get("op"), change.get("source", {}).get("lsn")))

    ends = {partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)[1] for partition in partitions}
    with pymongo.MongoClient(mongodb, serverSelectionTimeoutMS=30_000) as client:
        progress = client["weir"]["progress"]
        while True:
            found = {p["_id"]["partition"]: p["next"] for p in progress.find({"_id.group": group, "_id.topic": topic})}
            behind = {partition: last - found.get(partition, 0) for partition, last in ends.items()}
            left = sum(records for records in behind.values() if records > 0)
            if left == 0:
                break
            if time.monotonic() > end:
                sys.exit(f"{left} records were not accounted for after {seconds} s")
            time.sleep(0.1)
    print(json.dumps({"records": records, "changes": len(seen)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
